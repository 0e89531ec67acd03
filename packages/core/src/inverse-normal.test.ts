import { expect, test } from "vitest";
import { inverseNormal, logBelowOne } from "./inverse-normal.ts";

// mpmath 1.x at 40 digits: the z where ncdf(z) is exactly this double p.
const golden: [p: number, z: number][] = [
  [0.5, 0],
  [0.5000001, 2.506628273311648e-7],
  [0.6, 0.2533471031357997],
  [0.925, 1.4395314709384561],
  [0.9250001, 1.4395321773759004],
  [0.99, 2.3263478740408408],
  [0.001, -3.0902323061678136],
  [0.075, -1.439531470938456],
  [0.0749, -1.4402382675279637],
  [1e-6, -4.753424308822899],
  [1e-9, -5.9978070150076865],
  [1.3887943864964021e-11, -6.657904643501103],
  [1.38e-11, -6.658838502850766],
  [1e-13, -7.348796102800677],
  [1e-15, -7.941345326170997],
  [1.1102230246251565e-16, -8.209536151601387],
];

test.each(golden)("inverseNormal(%f) is right to 1e-14", (p, z) => {
  expect(Math.abs(inverseNormal(p) - z)).toBeLessThanOrEqual(1e-14 * Math.abs(z));
});

test("is odd around one half, and rises", () => {
  let last = -Infinity;
  for (let k = 1; k < 4096; k++) {
    const p = k / 4096;
    const z = inverseNormal(p);
    expect(z).toBeGreaterThan(last);
    expect(z + inverseNormal(1 - p)).toBe(0);
    last = z;
  }
});

test("the logarithm agrees with the engine's to 2 ulp", () => {
  for (let p = 2 ** -53; p < 1; p *= 1.0009) {
    const wanted = Math.log(p);
    expect(Math.abs(logBelowOne(p) - wanted)).toBeLessThanOrEqual(4.5e-16 * Math.abs(wanted));
  }
});
