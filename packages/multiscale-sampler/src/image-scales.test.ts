import fc from "fast-check";
import { expect, test } from "vitest";
import { fixedBatchScales, fixedScale, variableBatchScales } from "./image-scales.ts";

const tuples = (scales: readonly { height: number; width: number; batchSize: number }[]) =>
  scales.map((s) => [s.height, s.width, s.batchSize]);

test("gives every size the batch that costs what the base costs", () => {
  const scales = variableBatchScales({ baseSize: 224, baseBatch: 128, minSize: 128, maxSize: 320 });
  expect(tuples(scales)).toEqual([
    [128, 128, 392],
    [192, 192, 174],
    [224, 224, 128],
    [288, 288, 77],
    [320, 320, 62],
  ]);
});

test("pairs heights and widths of unequal ranges, and loses none where the base stands at other ranks", () => {
  const rectangles = variableBatchScales({
    baseSize: { height: 192, width: 320 },
    baseBatch: 64,
    minSize: { height: 128, width: 192 },
    maxSize: { height: 256, width: 448 },
  });
  expect(tuples(rectangles)).toEqual([
    [128, 192, 160],
    [160, 256, 96],
    [192, 320, 64],
    [224, 384, 45],
    [256, 448, 34],
  ]);
  const options = { baseSize: { height: 256, width: 240 }, baseBatch: 128, minSize: 160, maxSize: 320 };
  expect(tuples(variableBatchScales(options))).toEqual([
    [160, 160, 307],
    [192, 192, 213],
    [256, 256, 120],
    [288, 288, 94],
    [320, 320, 76],
  ]);
  expect(tuples(variableBatchScales({ ...options, pairing: "rank" })).at(-1)).toEqual([288, 320, 85]);
});

test("rounds to two decimals before it rounds down", () => {
  const last = (size: number, baseBatch: number, divisor: number) =>
    variableBatchScales({ baseSize: 512, baseBatch, minSize: size, maxSize: size, count: 1, divisor }).at(-1)
      ?.batchSize;
  expect(last(1120, 512, 32)).toBe(107); // 106.9976
  expect(last(848, 96, 16)).toBe(35); // 34.9961
});

test("is about the base: in the list, in range only, or replaced by the maximum as the papers have it", () => {
  const options = { baseSize: 224, baseBatch: 128, minSize: 128, maxSize: 160, count: 2 };
  expect(tuples(variableBatchScales(options))).toEqual([
    [128, 128, 392],
    [160, 160, 250],
    [224, 224, 128],
  ]);
  expect(tuples(variableBatchScales({ ...options, includeBase: "inRange" }))).toHaveLength(2);
  const papers = variableBatchScales({ ...options, maxSize: 320, batchReference: "max" });
  expect(papers.at(-1)).toEqual({ height: 320, width: 320, batchSize: 128 });
});

test("keeps sizes sorted, distinct and divisible, and a batch within the budget that one more would break", () => {
  const config = fc.record({
    base: fc.tuple(fc.integer({ min: 16, max: 600 }), fc.integer({ min: 16, max: 600 })),
    min: fc.tuple(fc.integer({ min: 16, max: 300 }), fc.integer({ min: 16, max: 300 })),
    more: fc.tuple(fc.nat(300), fc.nat(300)),
    count: fc.integer({ min: 1, max: 12 }),
    divisor: fc.integer({ min: 1, max: 16 }),
    baseBatch: fc.integer({ min: 1, max: 600 }),
    pairing: fc.constantFrom("range" as const, "rank" as const),
  });
  fc.assert(
    fc.property(config, ({ base, min, more, count, divisor, baseBatch, pairing }) => {
      const options = {
        baseSize: { height: base[0], width: base[1] },
        minSize: { height: min[0], width: min[1] },
        maxSize: { height: min[0] + more[0], width: min[1] + more[1] },
        count,
        divisor,
        pairing,
      };
      const scales = variableBatchScales({ ...options, baseBatch });
      const budget = base[0] * base[1] * baseBatch;
      expect(scales.length).toBeLessThanOrEqual(count + 1);
      for (const [i, { height, width, batchSize }] of scales.entries()) {
        expect([height % divisor, width % divisor]).toEqual([0, 0]);
        // 0.005 of a sample is what rounding to two decimals may add.
        expect(batchSize === 1 || (batchSize - 0.005) * height * width <= budget * (1 + 1e-12)).toBe(true);
        expect((batchSize + 1) * height * width).toBeGreaterThan(budget);
        if (height * width === base[0] * base[1]) expect(batchSize).toBe(baseBatch);
        const before = scales[i - 1];
        if (before) expect(before.height < height || before.width < width).toBe(true);
      }
      const fixed = fixedBatchScales({ ...options, baseBatch });
      expect(fixed).toEqual(scales.map((scale) => ({ ...scale, batchSize: baseBatch })));
    }),
  );
});

test("says how to mend what cannot be", () => {
  const options = { baseSize: 224, baseBatch: 128 };
  expect(() => variableBatchScales({ ...options, minSize: 320, maxSize: 160 })).toThrow(
    "variableBatchScales: min height is 320 and max height is 160, expected min <= max. Swap them",
  );
  expect(() => variableBatchScales({ ...options, minSize: 16, divisor: 32 })).toThrow(
    "divisor is 32, expected at most the min height, 16, which it would round up. Use a divisor of at most 16",
  );
  expect(() => variableBatchScales({ ...options, baseBatch: 0 })).toThrow(
    "baseBatch is 0, expected a whole number of at least 1. Pass how many images fit, such as 128.",
  );
  expect(() => variableBatchScales({ ...options, baseSize: { height: 224, width: 22.4 } })).toThrow(
    "baseSize.width is 22.4",
  );
  expect(() => variableBatchScales({ ...options, count: 0 })).toThrow("count is 0");
  expect(() => fixedBatchScales({ ...options, divisor: 0 })).toThrow("fixedBatchScales: divisor is 0");
  expect(() => fixedScale({ size: 224, batchSize: Number.NaN })).toThrow("fixedScale: batchSize is NaN");
  expect(() => fixedScale({ size: -1, batchSize: 1 })).toThrow("fixedScale: size is -1");
});
