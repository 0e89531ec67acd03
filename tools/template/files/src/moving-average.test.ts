import fc from "fast-check";
import { expect, test } from "vitest";
import { movingAverage } from "./moving-average.ts";

test("weighs the past against the present", () => {
  expect(movingAverage([1, 2, 3, 4], { decay: 0.5 })).toEqual([1, 1.5, 2.25, 3.125]);
});

test("stays between the smallest and the largest value", () => {
  const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 0.99, noNaN: true }), (x, decay) => {
      for (const average of movingAverage(x, { decay })) {
        expect(average).toBeGreaterThanOrEqual(Math.min(...x) - 1e-9);
        expect(average).toBeLessThanOrEqual(Math.max(...x) + 1e-9);
      }
    }),
  );
});

test("says how to mend a wrong decay", () => {
  expect(() => movingAverage([1], { decay: 1 })).toThrow("decay is 1, expected [0, 1). Use 0");
});
