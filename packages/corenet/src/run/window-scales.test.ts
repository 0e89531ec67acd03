import { Rng } from "@corenet/core";
import { expect, test } from "vitest";
import type { SequenceSettings } from "./settings.ts";
import { longestKnown, longestWindow, scaleShares, windowScales } from "./window-scales.ts";

const sequences: SequenceSettings = {
  ...{ baseLength: 256, baseBatch: 2, spacing: "doubling", divisor: 64, count: 1, includeBase: "inRange" },
  ...{ startMinLength: 64, startMaxLength: 64, endMinLength: 64, endMaxLength: 256 },
  ...{ epochs: 4, growUntil: 1, shape: { milestones: [2, 3] } },
};

test("draws longer windows later, as many bytes in every batch", () => {
  const scaleAt = windowScales({ sequences, steps: 400 }, new Rng(1));
  const lengths = Array.from({ length: 400 }, (_, step) => scaleAt(step).length);
  expect(new Set(lengths.slice(0, 200))).toEqual(new Set([64]));
  expect(new Set(lengths.slice(200, 300))).toEqual(new Set([64, 128]));
  expect(new Set(lengths.slice(300))).toEqual(new Set([64, 128, 256]));
  for (const step of [0, 250, 399]) expect(scaleAt(step).length * scaleAt(step).batchSize).toBe(512);
});

test("the shares of the steps add up, and are those that are drawn", () => {
  const shares = scaleShares(sequences);
  expect(shares).toEqual([
    { length: 64, batchSize: 8, share: 1 / 4 + 1 / 4 + 1 / 8 + 1 / 12 },
    { length: 128, batchSize: 4, share: 1 / 8 + 1 / 12 },
    { length: 256, batchSize: 2, share: 1 / 12 },
  ]);
  const scaleAt = windowScales({ sequences, steps: 10_000 }, new Rng(2));
  for (const { length, share } of shares) {
    const drawn = Array.from({ length: 10_000 }, (_, step) => scaleAt(step)).filter(
      (s) => s.length === length,
    );
    expect(Math.abs(drawn.length / 10_000 - share)).toBeLessThan(0.02);
  }
});

test("knows the longest window so far, and of all", () => {
  const training = { sequences, steps: 100 };
  expect([0, 49, 50, 75, 99].map((step) => longestKnown(step, training))).toEqual([64, 64, 128, 256, 256]);
  expect(longestWindow({ sequences })).toBe(257);
});
