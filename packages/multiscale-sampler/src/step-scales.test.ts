import { Rng } from "@corenet/core";
import { expect, test } from "vitest";
import { curriculumSequences, sequenceScales } from "./sequence-scales.ts";
import { stepScales } from "./step-scales.ts";

const lengths = { baseLength: 256, baseBatch: 8, divisor: 64, spacing: "doubling" as const };
const scales = sequenceScales({ ...lengths, minLength: 64, maxLength: 256 });

test("draws every scale as often, by the step alone", () => {
  const scaleAt = stepScales({ steps: 3000, scales, random: new Rng("steps") });
  const drawn = Array.from({ length: 3000 }, (_, step) => scaleAt(step).length);
  for (const { length } of scales)
    expect(Math.abs(drawn.filter((one) => one === length).length - 1000)).toBeLessThan(100);
  const again = stepScales({ steps: 3000, scales, random: new Rng("steps") });
  expect(Array.from({ length: 20 }, (_, i) => again(2999 - i).length)).toEqual(drawn.slice(-20).reverse());
  const other = stepScales({ steps: 3000, scales, random: new Rng("others") });
  expect(Array.from({ length: 3000 }, (_, step) => other(step).length)).not.toEqual(drawn);
});

test("follows a curriculum in equal parts, and goes on behind the end", () => {
  const curriculum = curriculumSequences({
    ...{ ...lengths, epochs: 5, growUntil: 1 },
    ...{ startMinLength: 64, startMaxLength: 64, endMinLength: 64, endMaxLength: 256 },
  });
  const scaleAt = stepScales({ steps: 100, epochs: 5, scales: curriculum, random: new Rng(3) });
  const seen = (from: number, to: number) =>
    new Set(Array.from({ length: to - from }, (_, i) => scaleAt(from + i).length));
  expect(seen(0, 20)).toEqual(new Set([64]));
  expect(seen(20, 60)).toEqual(new Set([64, 128]));
  expect(seen(80, 100)).toEqual(new Set([64, 128, 256]));
  expect(seen(100, 200)).toEqual(new Set([64, 128, 256]));
});

test("says how to mend what cannot be", () => {
  const options = { steps: 10, scales, random: new Rng(1) };
  expect(() => stepScales({ ...options, steps: 0 })).toThrow("stepScales: steps is 0");
  expect(() => stepScales({ ...options, epochs: 0.5 })).toThrow("stepScales: epochs is 0.5");
  expect(() => stepScales({ ...options, scales: [] })).toThrow("got no scales in epoch 0. Pass one or more.");
  expect(() => stepScales(options)(-1)).toThrow("stepScales: step is -1, expected a whole number");
});
