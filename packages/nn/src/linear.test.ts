import { sum, type Tensor2D, tensor, valueAndGrad } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { DoubledMatrix } from "../test/doubled-matrix.ts";
import { linear } from "./linear.ts";

const rows = [
  [1, 2, 3],
  [-1, 0, 0.5],
];

onEveryBackend(() => {
  test("multiplies by the transpose of [out, in]", async () => {
    await expect(linear(tensor([[1, 10, 100]]), tensor(rows))).toBeAllClose([[321, 49]]);
  });

  test("keeps all leading sides", async () => {
    const x = tensor(
      Float32Array.from({ length: 24 }, (_, i) => i),
      [2, 2, 2, 3],
    );
    expect(linear(x, tensor(rows)).shape).toEqual([2, 2, 2, 2]);
  });

  test("gives a packed matrix what it gives a tensor", async () => {
    const weight = tensor(rows);
    const packed = new DoubledMatrix(weight);
    const x = tensor([
      [
        [1, 10, 100],
        [0.5, 0, -1],
      ],
    ]);
    await expect(linear(x, packed)).toBeAllClose(linear(x, weight));
  });

  test("gradients reach x through a packed matrix", async () => {
    const params = { x: tensor([[1, -2, 0.5]]) };
    const packed = new DoubledMatrix(tensor(rows));
    await expectGradient((p: typeof params) => linear(p.x, packed), params);
    const { grads } = valueAndGrad((p: typeof params) => sum(linear(p.x, packed)), params);
    await expect(grads.x).toBeAllClose([[0, 2, 3.5]]); // the columns' sums
  });

  test("gradients reach x and a weight that is a tensor", async () => {
    const params = { x: tensor([[1, -2, 0.5]]), weight: tensor(rows) };
    await expectGradient((p: typeof params) => linear(p.x, p.weight), params);
  });

  test("says what does not fit", () => {
    expect(() => linear(tensor([[1, 2]]), tensor(rows))).toThrow(
      "linear: x has shape [1, 2], expected [1, 3]. Its last side must match the columns of the weight.",
    );
    expect(() => linear(tensor([1, 2, 3]), tensor(rows))).toThrow("Reshape a vector to a row");
    expect(() => linear(tensor([[1, 2]]), new DoubledMatrix(tensor(rows)))).toThrow("expected [1, 3]");
  });

  test("frees its intermediates", () => {
    const [x, weight] = [tensor([[1, 2, 3]]), tensor(rows)];
    const packed = new DoubledMatrix(weight);
    expectNoLeak(() => linear(x, weight));
    expectNoLeak(() => linear(x, packed));
    expectNoLeak(() => valueAndGrad((p: { x: Tensor2D }) => sum(linear(p.x, packed)), { x }));
  });
});
