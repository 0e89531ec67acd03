import { readData, tensor, tensor1d } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { gelu } from "./gelu.ts";

/** Φ(x) in doubles: the series of erf near zero, the continued fraction of its complement beyond. */
function exactPhi(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  let beyond: number;
  if (z < 2) {
    let [sum, term] = [0, z];
    for (let n = 0; n < 60; n++) {
      sum += term / (2 * n + 1);
      term *= (-z * z) / (n + 1);
    }
    beyond = 0.5 - sum / Math.sqrt(Math.PI);
  } else {
    let fraction = 0;
    for (let k = 150; k >= 1; k--) fraction = k / 2 / (z + fraction);
    beyond = Math.exp(-z * z) / (2 * Math.sqrt(Math.PI) * (z + fraction));
  }
  return x < 0 ? beyond : 1 - beyond;
}

onEveryBackend(() => {
  test("is right by the tables of the normal distribution", async () => {
    const y = gelu(tensor1d([0, 1, -1, 2, -3]));
    await expect(y).toBeAllClose([0, 0.8413447461, -0.1586552539, 1.9544997361, -0.0040496941], {
      atol: 2e-7,
      rtol: 2e-7,
    });
  });

  test("is right to 2e-7 of x everywhere, and to 3e-6 of itself in the tail", async () => {
    const x = Float32Array.from({ length: 40_001 }, (_, i) => (i - 20_000) / 2000); // -10 to 10
    const y = await readData(gelu(tensor1d(x)));
    for (const [i, v] of x.entries()) {
      const [got, exact] = [y[i] as number, v * exactPhi(v)];
      const error = Math.abs(got - exact);
      if (error <= 2e-7 * Math.max(1, Math.abs(v)) && error <= 3e-6 * Math.abs(exact)) continue;
      throw new Error(`gelu(${v}) is ${got}, expected ${exact}: off by ${error}`);
    }
  });

  test("passes large numbers, kills large negative ones, keeps NaN", async () => {
    const y = gelu(tensor1d([100, -100, Number.POSITIVE_INFINITY, Number.NaN, 1e-20]));
    await expect(y).toBeAllClose([100, 0, Number.POSITIVE_INFINITY, Number.NaN, 5e-21], { atol: 0 });
  });

  test("has the gradient of its formula", async () => {
    const params = { x: tensor1d([-4, -2, -0.75, -0.1, 0, 0.1, 0.5, 1, 3]) };
    await expectGradient((p: typeof params) => gelu(p.x), params);
  });

  test("says what it wants", () => {
    expect(() => gelu(tensor([1, 2], [2], "int32"))).toThrow("gelu: x is int32");
  });

  test("frees its intermediates", () => {
    const x = tensor1d([1, 2, 3]);
    expectNoLeak(() => gelu(x));
  });
});
