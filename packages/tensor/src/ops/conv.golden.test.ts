import { expect, test } from "vitest";
import { loadGolden, onEveryBackend } from "../../../../tools/testing/index.ts";
import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from "../types.ts";
import { valueAndGrad } from "../value-and-grad.ts";
import { mul } from "./arithmetic.ts";
import { type Conv1dOptions, type Conv2dOptions, conv1d, conv2d } from "./conv.ts";
import { sum } from "./reduce.ts";
import { transpose } from "./shape.ts";

const golden = await loadGolden("tensor/conv");

/** [B, C, …] to [B, …, C]: images, sequences and windows alike. */
const channelsLast = (x: Tensor): Tensor =>
  transpose(x, x.rank === 4 ? [0, 2, 3, 1] : x.rank === 3 ? [0, 2, 1] : [0]);

onEveryBackend(() => {
  test.each(Object.keys(golden.json.cases))("%s, as PyTorch has it", async (name) => {
    const { stride, padding, dilation, groups, x: shape } = golden.json.cases[name];
    const get = (part: string) => channelsLast(golden.tensor(`${name}.${part}`));
    const params = { x: get("x"), weight: get("weight"), bias: get("bias") as Tensor1D };
    const convolve = ({ x, weight, bias }: typeof params): Tensor => {
      if (shape.length === 3) {
        const options: Conv1dOptions = {
          bias,
          stride: stride[0],
          padding: padding[0],
          dilation: dilation[0],
          groups,
        };
        return conv1d(x as Tensor3D, weight as Tensor3D, options);
      }
      const zeros = padding.map((n: number) => [n, n]);
      const options: Conv2dOptions = { bias, stride, padding: zeros, dilation, groups };
      return conv2d(x as Tensor4D, weight as Tensor4D, options);
    };
    const dy = get("dy");
    await expect(convolve(params)).toBeAllClose(get("y"), { atol: 2e-5 });
    const { grads } = valueAndGrad((p: typeof params) => sum(mul(convolve(p), dy)), params);
    await expect(grads.x).toBeAllClose(get("dx"), { atol: 2e-5 });
    await expect(grads.weight).toBeAllClose(get("dweight"), { atol: 5e-5 });
    await expect(grads.bias).toBeAllClose(get("dbias"), { atol: 5e-5 });
  });
});
