import { expect, test } from "vitest";
import { curriculumProgress } from "./curriculum.ts";
import { curriculumScales } from "./curriculum-scales.ts";
import { growingScales } from "./growing-scales.ts";

test("goes from its start to its end and stays there", () => {
  const progress = [0, 1, 2, 3, 9, 50].map((epoch) => curriculumProgress(epoch, { epochs: 10 }));
  expect(progress.map((p) => p.toFixed(3))).toEqual(["0.000", "0.222", "0.444", "0.667", "1.000", "1.000"]);
  expect(curriculumProgress(0, { epochs: 1 })).toBe(1);
  const half = { epochs: 101, growUntil: 1 };
  expect(curriculumProgress(50, { ...half, shape: "cosine" })).toBe(0.5);
  expect(curriculumProgress(50, { ...half, shape: { power: 2 } })).toBe(0.25);
  expect(curriculumProgress(50, { ...half, shape: { milestones: [10, 50, 60, 70] } })).toBe(0.5);
  expect(curriculumProgress(50, { ...half, shape: (epoch) => epoch })).toBe(1);
});

test("never shrinks, and depends on the epoch alone", () => {
  for (const shape of ["linear", "cosine", { power: 2 }, { power: 0.5 }, { milestones: [30, 60] }] as const) {
    const scales = curriculumScales({ baseSize: 224, baseBatch: 128, epochs: 100, shape });
    const largest = Array.from({ length: 100 }, (_, epoch) => scales(epoch).at(-1)?.height ?? 0);
    expect(largest).toEqual([...largest].sort((a, b) => a - b));
    expect(scales(77)).toEqual(curriculumScales({ baseSize: 224, baseBatch: 128, epochs: 100, shape })(77));
  }
});

test("grows height and width each in their own range", () => {
  const scales = curriculumScales({
    baseSize: { height: 192, width: 320 },
    baseBatch: 64,
    epochs: 3,
    growUntil: 1,
    startMinSize: { height: 64, width: 128 },
    startMaxSize: { height: 64, width: 128 },
    endMinSize: { height: 64, width: 128 },
    endMaxSize: { height: 192, width: 320 },
    count: 2,
  });
  const largest = [0, 1, 2].map((epoch) => scales(epoch).at(-1));
  expect(largest.map((s) => [s?.height, s?.width])).toEqual([
    [64, 128],
    [128, 224],
    [192, 320],
  ]);
});

test("says how to mend what cannot be", () => {
  const options = { baseSize: 224, baseBatch: 128, epochs: 10 };
  expect(() => curriculumScales({ ...options, epochs: 0 })).toThrow("curriculum: epochs is 0");
  expect(() => curriculumScales({ ...options, growUntil: 0 })).toThrow(
    "growUntil is 0, expected (0, 1]. Use 0.5.",
  );
  expect(() => curriculumScales({ ...options, startMinSize: 192 })).toThrow(
    "curriculumScales: start: min height is 192 and max height is 160, expected min <= max. Swap them",
  );
  expect(() => curriculumScales({ ...options, endMinSize: 16 })).toThrow(
    "end: divisor is 32, expected at most the min",
  );
  expect(() => curriculumScales({ ...options, shape: { power: 0 } })).toThrow("power is 0");
  expect(() => curriculumScales({ ...options, shape: { milestones: [] } })).toThrow("got no milestones");
  expect(() => curriculumScales({ ...options, shape: () => Number.NaN })).toThrow("shape(0) is NaN");
});

test("growth by factors says when a range would end upside down", () => {
  const options = { baseSize: 224, baseBatch: 128 };
  expect(() => growingScales({ ...options, minFactor: 2, maxFactor: 0 })).toThrow(
    "min height is 480 and max height is 320",
  );
  expect(() => growingScales({ ...options, maxFactor: -1 })).toThrow("maxFactor is -1");
  expect(() => growingScales({ ...options, growAtEpochs: [1.5] })).toThrow("growAtEpochs is 1.5");
  const scales = growingScales({ ...options, growAtEpochs: [10, 20], minFactor: 0 });
  expect([9, 10, 20, 99].map((epoch) => scales(epoch).at(-1)?.height)).toEqual([320, 640, 1280, 1280]);
});
