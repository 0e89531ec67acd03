import fc from "fast-check";
import { expect, test } from "vitest";
import { loadGolden } from "../../../tools/testing/index.ts";
import { constantSchedule, cosineSchedule, linearSchedule } from "./schedules.ts";

interface Recipe {
  max_lr: number;
  min_lr: number;
  warmup_iterations: number;
  max_iterations: number;
  warmup_init_lr: number;
  values: { iteration: number; exact: number; used: number }[];
}

const golden = (await loadGolden("openelm/schedule")).json.recipes as Record<string, Recipe>;

test.each(Object.entries(golden))("gives the learning rates of %s", (_, recipe) => {
  const options = {
    peak: recipe.max_lr,
    min: recipe.min_lr,
    warmup: recipe.warmup_iterations,
    warmupInit: recipe.warmup_init_lr,
    total: recipe.max_iterations,
  };
  const exact = cosineSchedule(options);
  const rounded = cosineSchedule({ ...options, roundDecimals: 8 });
  expect(recipe.values).toHaveLength(22);
  for (const { iteration, exact: wanted, used } of recipe.values) {
    expect(Math.abs(exact(iteration) - wanted)).toBeLessThanOrEqual(1e-12);
    expect(rounded(iteration)).toBe(used);
  }
});

test("gives the learning rates of the golden run", async () => {
  const { config, values } = (await loadGolden("openelm/train")).json;
  const {
    max_lr: peak,
    min_lr: min,
    warmup,
    warmup_init_lr: warmupInit,
    max_iterations: total,
  } = config.schedule;
  const schedule = cosineSchedule({ peak, min, warmup, warmupInit, total, roundDecimals: 8 });
  expect(Array.from({ length: 20 }, (_, step) => schedule(step))).toEqual(values.lr);
});

test("by hand", () => {
  const linear = linearSchedule({ peak: 4, min: 1, warmup: 2, total: 4 });
  expect([0, 1, 2, 3, 4, 5, 99].map(linear)).toEqual([0, 2, 4, 3, 2, 1, 1]);
  const cosine = cosineSchedule({ peak: 2, total: 3 });
  [2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2, 0, 0].forEach((value, step) => {
    expect(cosine(step)).toBeCloseTo(value, 12);
  });
  const constant = constantSchedule({ learningRate: 0.5, warmup: 2, warmupInit: 0.25 });
  expect([0, 1, 2, 1000].map(constant)).toEqual([0.25, 0.375, 0.5, 0.5]);
});

test("rises, then falls, and stays between its ends", () => {
  fc.assert(
    fc.property(fc.nat(20), fc.integer({ min: 1, max: 50 }), (warmup, rest) => {
      for (const make of [cosineSchedule, linearSchedule]) {
        const schedule = make({ peak: 1, min: 0.1, warmup, warmupInit: 0.01, total: warmup + rest });
        const rates = Array.from({ length: warmup + rest + 3 }, (_, step) => schedule(step));
        expect(rates[warmup]).toBe(1);
        expect(rates.at(-1)).toBeCloseTo(0.1, 12);
        rates.forEach((rate, i) => {
          const next = rates[i + 1] ?? rate;
          expect(i < warmup ? next >= rate : next <= rate).toBe(true);
        });
      }
    }),
    { numRuns: 50 },
  );
});

test("tells what it was made from", () => {
  expect(linearSchedule({ peak: 4, total: 4 }).settings).toEqual({ kind: "linear", peak: 4, total: 4 });
});

test("says what is wrong with its numbers", () => {
  expect(() => cosineSchedule({ peak: -1, total: 3 })).toThrow(
    "cosineSchedule: peak is -1, expected a finite number >= 0",
  );
  expect(() => linearSchedule({ peak: 1, total: 2.5 })).toThrow(
    "linearSchedule: total is 2.5, expected an integer >= 0",
  );
  expect(() => cosineSchedule({ peak: 1, warmup: 9, total: 3 })).toThrow(
    "warmup is 9 and total is 3, expected warmup <= total",
  );
  expect(() => constantSchedule({ learningRate: Number.NaN })).toThrow("learningRate is NaN");
  expect(() => constantSchedule({ learningRate: 1 })(-1)).toThrow("schedule: step is -1");
});
