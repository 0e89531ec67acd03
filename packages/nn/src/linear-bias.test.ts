import { sum, type Tensor2D, tensor, tensor1d, valueAndGrad } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend } from "../../../tools/testing/index.ts";
import { DoubledMatrix } from "../test/doubled-matrix.ts";
import { linear } from "./linear.ts";

const rows = [
  [1, 2, 3],
  [-1, 0, 0.5],
];
const bias = tensor1d([10, -10]);

onEveryBackend(() => {
  test("adds the bias to every row, of a tensor's product and of a packed one's", async () => {
    const x = tensor([
      [1, 10, 100],
      [0, 0, 0],
    ]);
    const expected = [
      [331, 39],
      [10, -10],
    ];
    await expect(linear(x, tensor(rows), { bias })).toBeAllClose(expected);
    await expect(linear(x, new DoubledMatrix(tensor(rows)), { bias })).toBeAllClose(expected);
  });

  test("gradients reach x, weight and bias", async () => {
    const params = {
      x: tensor([[[1, -2, 0.5]], [[2, 0, 1]]]),
      weight: tensor(rows) as Tensor2D,
      bias: tensor1d([1, 2]),
    };
    await expectGradient((p: typeof params) => linear(p.x, p.weight, { bias: p.bias }), params);
    const packed = new DoubledMatrix(tensor(rows));
    const { grads } = valueAndGrad((p) => sum(linear(tensor([[1, 2, 3]]), packed, { bias: p.bias })), {
      bias: params.bias,
    });
    await expect(grads.bias).toBeAllClose([1, 1]);
  });

  test("says what does not fit", () => {
    expect(() => linear(tensor([[1, 2, 3]]), tensor(rows), { bias: tensor1d([1, 2, 3]) })).toThrow(
      "linear: bias has shape [3], expected [2]. It must match the rows of the weight.",
    );
  });

  test("frees its intermediates", () => {
    const [x, weight] = [tensor([[1, 2, 3]]), tensor(rows)];
    const packed = new DoubledMatrix(weight);
    expectNoLeak(() => linear(x, weight, { bias }));
    expectNoLeak(() => linear(x, packed, { bias }));
  });
});
