import { add, mul, type Tensor1D, tensor, tensor1d } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend, row, scale } from "../../../tools/testing/index.ts";
import { layerNorm } from "./layer-norm.ts";

const plain = { weight: tensor1d([1, 1, 1, 1]), bias: tensor1d([0, 0, 0, 0]) };

onEveryBackend(() => {
  test("gives every row a mean of zero and a variance of one", async () => {
    const y = layerNorm(tensor([[1, 1, 3, 3]]), plain);
    await expect(y).toBeAllClose([[-1, -1, 1, 1]]);
    await expect(layerNorm(tensor1d([0, 0, 0, 4]), plain)).toBeAllClose(
      [-1, -1, -1, 3].map((x) => x / Math.sqrt(3)),
    );
  });

  test("applies gain, then offset", async () => {
    const params = { weight: tensor1d([1, 2, 0, -1]), bias: tensor1d([0, 10, 5, 1]) };
    await expect(layerNorm(tensor([[1, 1, 3, 3]]), params)).toBeAllClose([[-1, 8, 5, 0]]);
  });

  test("adds eps to the variance, inside the root", async () => {
    await expect(layerNorm(tensor([[1, 1, 3, 3]]), plain, { eps: 3 })).toBeAllClose([[-0.5, -0.5, 0.5, 0.5]]);
    await expect(layerNorm(tensor([[7, 7, 7, 7]]), plain)).toBeAllClose([[0, 0, 0, 0]]);
  });

  test("ignores scale and offset of x", async () => {
    await fc.assert(
      fc.asyncProperty(row({ length: 4, min: 0.5 }), scale(), async (values, c) => {
        const x = tensor([[...values.slice(0, 3), -1]]);
        const moved = add(mul(x, c), c);
        await expect(layerNorm(moved, plain, { eps: 0 })).toBeAllClose(layerNorm(x, plain, { eps: 0 }));
      }),
      { numRuns: 30 },
    );
  });

  test("keeps a small spread far from zero", async () => {
    const y = layerNorm(tensor([[1000, 1000.5, 1001, 1001.5]]), plain, { eps: 0 });
    const expected = [-1.5, -0.5, 0.5, 1.5].map((x) => x / Math.sqrt(1.25));
    await expect(y).toBeAllClose([expected]);
  });

  test("has the gradient of its formula", async () => {
    const params = {
      x: tensor([
        [0.5, -1, 2, 0.25],
        [1, 1.5, -1, 3],
      ]),
      weight: tensor1d([1, -0.5, 2, 0.75]),
      bias: tensor1d([0, 1, -1, 0.5]),
    };
    await expectGradient((p: typeof params) => layerNorm(p.x, p), params);
  });

  test("says how to mend a wrong weight, bias and dtype", () => {
    const x = tensor([[1, 2, 3]]);
    const three: Tensor1D = tensor1d([1, 1, 1]);
    expect(() => layerNorm(x, plain)).toThrow("layerNorm: weight has shape [4], expected [3]. It must match");
    expect(() => layerNorm(x, { ...plain, weight: three })).toThrow("layerNorm: bias has shape [4]");
    expect(() => layerNorm(tensor([[1, 2, 3, 4]], [1, 4], "int32"), plain)).toThrow("layerNorm: x is int32");
  });

  test("frees its intermediates", () => {
    const x = tensor([[1, 2, 3, 4]]);
    expectNoLeak(() => layerNorm(x, plain));
  });
});
