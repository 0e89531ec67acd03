import fc from "fast-check";
import { expect, test } from "vitest";
import { median, quantile, summarize } from "./statistics.ts";

const numbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
  minLength: 1,
  maxLength: 40,
});

test("takes the middle of an odd list and the mean of the two middles of an even one", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
});

test("gives the quartiles of NumPy's percentile", () => {
  // numpy.percentile([15, 20, 35, 40, 50], [25, 75]) = [20, 40]; of [1, 2, 3, 4]: [1.75, 3.25]
  expect(summarize([50, 15, 40, 20, 35])).toEqual({ count: 5, min: 15, q1: 20, median: 35, q3: 40, max: 50 });
  expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75);
  expect(quantile([1, 2, 3, 4], 0.75)).toBe(3.25);
});

test("sorts by size, not by text", () => {
  expect(median([10, 9, 100])).toBe(10);
});

test("has as many values below the median as above", () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const middle = median(values);
      const below = values.filter((value) => value < middle).length;
      const above = values.filter((value) => value > middle).length;
      return below <= values.length / 2 && above <= values.length / 2;
    }),
  );
});

test("orders the five numbers, ignores the order of its input, and does not change it", () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const before = [...values];
      const { min, q1, median: middle, q3, max } = summarize(values);
      expect(values).toEqual(before);
      expect(summarize([...values].reverse())).toEqual(summarize(values));
      return min <= q1 && q1 <= middle && middle <= q3 && q3 <= max;
    }),
  );
});

test("refuses an empty list, NaN and a p outside [0, 1]", () => {
  expect(() => median([])).toThrow("quantile: got no values. Measure at least one round.");
  expect(() => median([1, Number.NaN])).toThrow("quantile: got NaN, expected finite numbers.");
  expect(() => quantile([1], 1.5)).toThrow("quantile: p is 1.5, expected [0, 1].");
});
