import fc from "fast-check";
import { expect, test } from "vitest";
import { kthLargest, lightest } from "./select.ts";

const none = Number.NEGATIVE_INFINITY;
const logits = fc.array(
  fc.oneof(
    fc.double({ min: -1e3, max: 1e3, noNaN: true }),
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(none, 0, -0, 5e-324, -5e-324, 1e308),
  ),
  { minLength: 1, maxLength: 60 },
);

test("the k-th largest is what sorting gives", () => {
  fc.assert(
    fc.property(logits, fc.nat(), (values, at) => {
      const k = 1 + (at % values.length);
      const sorted = values.toSorted((a, b) => b - a);
      expect(kthLargest(values, k) - (sorted[k - 1] as number) || 0).toBe(0); // 0 and -0 are one
    }),
    { numRuns: 500 },
  );
  expect(kthLargest([none, 3, none], 2)).toBe(none);
});

test("the k-th largest of many, however they are ordered", () => {
  const many = fc.array(fc.oneof(fc.integer({ min: -40, max: 40 }), fc.constantFrom(none, 0.5)), {
    minLength: 96,
    maxLength: 400,
  });
  fc.assert(
    fc.property(many, fc.integer({ min: 1, max: 3 }), (values, k) => {
      const sorted = values.toSorted((a, b) => b - a);
      for (const order of [values, sorted, sorted.toReversed()])
        expect(kthLargest(order, k) - (sorted[k - 1] as number) || 0).toBe(0);
    }),
  );
});

test("the lightest are what adding up from the smallest gives", () => {
  // Sixty-fourths add up without rounding, in any order.
  const weights = fc.array(
    fc.nat(200).map((n) => n / 64),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(
      weights,
      fc.nat(6000).map((n) => n / 64),
      (values, most) => {
        const sorted = values.toSorted((a, b) => a - b);
        let sum = 0;
        const count = sorted.findIndex((value) => {
          sum += value;
          return sum > most;
        });
        const { below, equals } = lightest(Float64Array.from(values), most);
        const dropped = values.filter((value) => value < below).length + equals;
        expect(dropped).toBe(count < 0 ? values.length : count);
        expect(equals).toBeLessThanOrEqual(values.filter((value) => value === below).length);
      },
    ),
    { numRuns: 500 },
  );
});

test("a vocabulary of equals gives up the first", () => {
  expect(lightest(new Float64Array(8).fill(0.125), 0.5)).toEqual({ below: 0.125, equals: 4 });
  expect(lightest(new Float64Array(8).fill(0.125), 1)).toEqual({ below: 0.125, equals: 8 });
  expect(lightest(Float64Array.of(0, 0, 1), 0)).toEqual({ below: 1, equals: 0 });
});
