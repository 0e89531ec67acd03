import fc from "fast-check";
import { expect, test } from "vitest";
import { curriculumSequences, sequenceScales } from "./sequence-scales.ts";

test("keeps the tokens of a batch", () => {
  const scales = sequenceScales({
    baseLength: 512,
    baseBatch: 16,
    minLength: 128,
    maxLength: 1024,
    count: 8,
  });
  expect(scales).toEqual([
    { length: 128, batchSize: 64 },
    { length: 256, batchSize: 32 },
    { length: 384, batchSize: 21 },
    { length: 512, batchSize: 16 },
    { length: 640, batchSize: 12 },
    { length: 768, batchSize: 10 },
    { length: 896, batchSize: 9 },
    { length: 1024, batchSize: 8 },
  ]);
});

test("never has more tokens than the budget, and less than a sequence to spare", () => {
  const config = fc.record({
    baseLength: fc.integer({ min: 1, max: 4096 }),
    baseBatch: fc.integer({ min: 1, max: 512 }),
    minLength: fc.integer({ min: 32, max: 1024 }),
    more: fc.nat(4096),
    count: fc.integer({ min: 1, max: 10 }),
  });
  fc.assert(
    fc.property(config, ({ more, ...options }) => {
      const budget = options.baseLength * options.baseBatch;
      for (const { length, batchSize } of sequenceScales({
        ...options,
        maxLength: options.minLength + more,
      })) {
        expect(length % 32).toBe(0);
        expect(batchSize === 1 || (batchSize - 0.005) * length <= budget * (1 + 1e-12)).toBe(true);
        expect((batchSize + 1) * length).toBeGreaterThan(budget);
      }
    }),
  );
});

test("doubles the divisor, for batches of exactly as many tokens", () => {
  const options = { baseLength: 1024, baseBatch: 4, divisor: 64, spacing: "doubling" as const };
  const lengths = (minLength: number, maxLength: number) =>
    sequenceScales({ ...options, minLength, maxLength, includeBase: "inRange" }).map((scale) => scale.length);
  expect(sequenceScales({ ...options, minLength: 128, maxLength: 1024 })).toEqual([
    { length: 128, batchSize: 32 },
    { length: 256, batchSize: 16 },
    { length: 512, batchSize: 8 },
    { length: 1024, batchSize: 4 },
  ]);
  expect(lengths(64, 64)).toEqual([64]);
  expect(lengths(65, 255)).toEqual([128]);
  expect(lengths(192, 192)).toEqual([128]); // none lies there: the largest below
  expect(lengths(100, 3000)).toEqual([128, 256, 512, 1024, 2048]);
});

test("grows with a curriculum, with the base only where it is in range", () => {
  const scales = curriculumSequences({
    baseLength: 512,
    baseBatch: 16,
    epochs: 5,
    growUntil: 1,
    startMinLength: 128,
    startMaxLength: 128,
    endMinLength: 128,
    endMaxLength: 1024,
    count: 2,
  });
  const lengths = (epoch: number) => scales(epoch).map((scale) => scale.length);
  expect([0, 1, 2, 4].map(lengths)).toEqual([[128], [128, 352], [128, 512, 576], [128, 512, 1024]]);
});

test("says how to mend what cannot be", () => {
  const options = { baseLength: 512, baseBatch: 16, minLength: 128, maxLength: 1024 };
  expect(() => sequenceScales({ ...options, baseBatch: 0 })).toThrow("sequenceScales: baseBatch is 0");
  expect(() => sequenceScales({ ...options, minLength: 2048 })).toThrow(
    "min length is 2048 and max length is 1024",
  );
  expect(() => sequenceScales({ ...options, minLength: 8 })).toThrow("Use a divisor of at most 8");
});
