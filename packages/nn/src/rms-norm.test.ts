import { mul, type Tensor1D, tensor, tensor1d } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  expectGradient,
  expectNoLeak,
  loadGolden,
  onEveryBackend,
  row,
  scale,
} from "../../../tools/testing/index.ts";
import { rmsNorm } from "./rms-norm.ts";

const golden = await loadGolden("openelm/modules");
const ones = tensor1d([1, 1, 1, 1]);

onEveryBackend(() => {
  test("gives every row a mean square of one", async () => {
    await expect(rmsNorm(tensor([[3, 3, 3, 3]]), ones)).toBeAllClose([[1, 1, 1, 1]]);
    await expect(rmsNorm(tensor1d([2, 0, 0, 0]), ones)).toBeAllClose([2, 0, 0, 0]);
  });

  test("multiplies by the gain after the norm", async () => {
    await expect(rmsNorm(tensor([[3, 3, 3, 3]]), tensor1d([1, 2, 0, -1]))).toBeAllClose([[1, 2, 0, -1]]);
  });

  test("leaves a zero row at zero, and adds eps inside the root", async () => {
    await expect(rmsNorm(tensor([[0, 0, 0, 0]]), ones)).toBeAllClose([[0, 0, 0, 0]]);
    const x = tensor([[1, 1, 1, 1]]);
    await expect(rmsNorm(x, ones, { eps: 3 })).toBeAllClose([[0.5, 0.5, 0.5, 0.5]]);
  });

  test("ignores the scale of x", async () => {
    await fc.assert(
      fc.asyncProperty(row({ length: 4, min: 0.5 }), scale(), async (values, c) => {
        const x = tensor([values]);
        const scaled = rmsNorm(mul(x, c), ones, { eps: 0 });
        await expect(scaled).toBeAllClose(rmsNorm(x, ones, { eps: 0 }));
      }),
      { numRuns: 30 },
    );
  });

  test("matches the reference, at scales 1, 1e-3 and 300", async () => {
    const weight = golden.tensor("param.norm_weight") as Tensor1D;
    const y = rmsNorm(golden.tensor("input.norm_x"), weight);
    await expect(y).toBeAllClose(golden.tensor("output.norm"), { atol: 2e-5 });
  });

  test("has the gradient of its formula", async () => {
    const params = {
      x: tensor([
        [0.5, -1, 2, 0.25],
        [1, 1, -1, 3],
      ]),
      weight: tensor1d([1, -0.5, 2, 0.75]),
    };
    await expectGradient((p: typeof params) => rmsNorm(p.x, p.weight), params);
  });

  test("says how to mend a wrong weight and a wrong dtype", () => {
    expect(() => rmsNorm(tensor([[1, 2, 3]]), ones)).toThrow("[4], expected [3]. It must match");
    expect(() => rmsNorm(tensor([[1, 2, 3, 4]], [1, 4], "int32"), ones)).toThrow("rmsNorm: x is int32");
  });

  test("frees its intermediates", () => {
    const x = tensor([[1, 2, 3, 4]]);
    expectNoLeak(() => rmsNorm(x, ones));
  });
});
