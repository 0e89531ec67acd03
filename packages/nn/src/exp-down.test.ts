import fc from "fast-check";
import { expect, test } from "vitest";
import { expDown } from "./exp-down.ts";

test("is Math.exp of the negative, within its error", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.double({ min: 0, max: 708, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 0, max: 250_000 }).map((steps) => (steps * Math.LN2) / 256),
      ),
      (x) => {
        const exact = Math.exp(-x);
        expect(Math.abs(expDown(x) - exact)).toBeLessThanOrEqual((5 + x) * 2 ** -53 * exact); // one of them Math.exp's
      },
    ),
    { numRuns: 20_000 },
  );
});

test("ends where numbers do", () => {
  expect([expDown(0), expDown(-0), expDown(800), expDown(Infinity)]).toEqual([1, 1, 0, 0]);
  expect(expDown(744)).toBeCloseTo(Math.exp(-744), 320);
  expect(expDown(Number.NaN)).toBeNaN();
});
