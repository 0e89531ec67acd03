import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectGradient, expectNoLeak, onEveryBackend, sizeOf } from "../../../../tools/testing/index.ts";
import {
  type ConvCase,
  convolve,
  inputGradient,
  inputShape,
  outputShape,
  weightGradient,
  weightShape,
} from "../../test/conv-oracle.ts";
import type { Grid } from "../../test/oracle.ts";
import { conv2dInputGradOp, conv2dOp, conv2dWeightGradOp } from "../kernels/conv/op.ts";
import { opsWithoutKernel } from "../op.ts";
import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from "../types.ts";
import { valueAndGrad } from "../value-and-grad.ts";
import { mul } from "./arithmetic.ts";
import { conv1d, conv2d } from "./conv.ts";
import { tensor } from "./create.ts";
import { sum } from "./reduce.ts";
import { reshape } from "./shape.ts";

/** Values in [−1, 1] that do not repeat in step with any side. */
const grid = (shape: readonly number[], phase: number): Grid => ({
  shape,
  data: Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(Math.sin(i * 1.7 + phase))),
});
const make = <T extends Tensor>({ data, shape }: Grid): T => tensor(Float32Array.from(data), shape) as T;

const one: ConvCase = {
  batch: 1,
  sides: [1, 1],
  channels: 1,
  outputs: 1,
  kernel: [1, 1],
  stride: [1, 1],
  dilation: [1, 1],
  padding: [
    [0, 0],
    [0, 0],
  ],
  groups: 1,
};

/** Values are at most 1, and a sum of n of them is off by at most n roundings. */
const within = (terms: number) => ({ atol: 1e-6 + 2e-7 * terms, rtol: 1e-5 });

/** Convolution and both gradients against the loops. */
async function expectRight(c: ConvCase): Promise<void> {
  const [x, w, dy] = [grid(inputShape(c), 0), grid(weightShape(c), 1), grid(outputShape(c), 2)];
  const bias = grid([c.outputs], 3);
  const { stride, dilation, padding, groups } = c;
  const options = { stride, dilation, padding, groups };
  const taps = sizeOf(c.kernel);
  const params = { x: make<Tensor4D>(x), w: make<Tensor4D>(w), bias: make<Tensor1D>(bias) };
  const y = convolve(c, x, w);
  const plain = conv2d(params.x, params.w, options);
  await expect(plain).toBeAllClose(y, within((taps * c.channels) / groups));
  const withBias = y.data.map((value, i) => value + (bias.data[i % c.outputs] as number));
  const { grads, value } = valueAndGrad((p: typeof params) => {
    const out = conv2d(p.x, p.w, { ...options, bias: p.bias });
    expect(out.shape).toEqual(y.shape);
    return sum(mul(out, make(dy)));
  }, params);
  const expected = withBias.reduce((total, one, i) => total + one * (dy.data[i] as number), 0);
  await expect(value).toBeAllClose(expected, { atol: 1e-4 * (1 + withBias.length), rtol: 1e-4 });
  await expect(grads.x).toBeAllClose(inputGradient(c, w, dy), within((taps * c.outputs) / groups));
  await expect(grads.w).toBeAllClose(weightGradient(c, x, dy), within(y.data.length / c.outputs));
  const sums = bias.data.map((_, o) =>
    dy.data.reduce((total, one, i) => total + (i % c.outputs === o ? one : 0), 0),
  );
  await expect(grads.bias).toBeAllClose(sums, { atol: 1e-4 });
}

const upTo = (max: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.integer({ min: 1, max }), fc.integer({ min: 1, max }));
const zeros = fc.tuple(fc.nat(3), fc.nat(3));
const anyCase = fc
  .record({
    batch: fc.integer({ min: 0, max: 3 }),
    spare: fc.tuple(fc.nat(9), fc.nat(12)),
    perGroup: fc.tuple(fc.constantFrom(1, 2, 3, 4, 9, 17), fc.constantFrom(1, 2, 5, 8, 13)),
    kernel: upTo(4),
    stride: upTo(4),
    dilation: upTo(3),
    padding: fc.tuple(zeros, zeros),
    groups: fc.constantFrom(1, 1, 1, 2, 5, 12),
  })
  .map(({ spare, perGroup: [channels, outputs], groups, ...rest }): ConvCase => {
    const side = (axis: 0 | 1) => {
      const span = (rest.kernel[axis] - 1) * rest.dilation[axis] + 1;
      const [before, after] = rest.padding[axis];
      return Math.max(1, span - before - after) + spare[axis];
    };
    const sides: [number, number] = [side(0), side(1)];
    return { ...rest, sides, channels: channels * groups, outputs: outputs * groups, groups };
  });

const named: [string, Partial<ConvCase>][] = [
  ["one pixel", {}],
  ["a plain product", { sides: [7, 5], channels: 33, outputs: 20 }],
  [
    "3 x 3 with padding",
    {
      sides: [9, 11],
      channels: 8,
      outputs: 16,
      kernel: [3, 3],
      padding: [
        [1, 1],
        [1, 1],
      ],
    },
  ],
  [
    "colours",
    {
      sides: [13, 11],
      channels: 3,
      outputs: 10,
      kernel: [3, 3],
      stride: [2, 2],
      padding: [
        [1, 1],
        [1, 1],
      ],
    },
  ],
  ["patches", { batch: 2, sides: [8, 12], channels: 3, outputs: 9, kernel: [4, 4], stride: [4, 4] }],
  [
    "patches that leave a margin",
    { sides: [9, 14], channels: 3, outputs: 9, kernel: [4, 4], stride: [4, 4] },
  ],
  ["strides that skip pixels", { sides: [9, 9], channels: 5, outputs: 7, kernel: [2, 1], stride: [3, 4] }],
  [
    "more padding than kernel",
    {
      sides: [2, 3],
      channels: 2,
      outputs: 3,
      kernel: [2, 2],
      padding: [
        [5, 4],
        [3, 6],
      ],
    },
  ],
  [
    "depthwise",
    {
      sides: [9, 14],
      channels: 19,
      outputs: 19,
      groups: 19,
      kernel: [3, 3],
      padding: [
        [1, 1],
        [1, 1],
      ],
    },
  ],
  ["depthwise by 2", { sides: [9, 14], channels: 6, outputs: 12, groups: 6, kernel: [3, 3], stride: [2, 2] }],
  [
    "depthwise, a large kernel",
    { sides: [12, 12], channels: 6, outputs: 6, groups: 6, kernel: [7, 5], stride: [2, 1], dilation: [1, 2] },
  ],
  ["depth beyond a block", { sides: [3, 3], channels: 150, outputs: 21, kernel: [2, 2] }],
  ["more pixels than a block", { batch: 2, sides: [19, 21], channels: 4, outputs: 6, kernel: [2, 2] }],
  [
    "large enough for tiles, in phases",
    {
      sides: [25, 26],
      channels: 24,
      outputs: 40,
      kernel: [3, 3],
      stride: [2, 1],
      padding: [
        [1, 1],
        [1, 1],
      ],
    },
  ],
  [
    "large enough for tiles, in groups and pieces",
    { sides: [41, 40], channels: 16, outputs: 48, groups: 2, kernel: [3, 3] },
  ],
  [
    "dilation that shares a factor with the stride",
    {
      sides: [17, 17],
      channels: 2,
      outputs: 3,
      kernel: [3, 3],
      stride: [4, 2],
      dilation: [2, 4],
      padding: [
        [2, 1],
        [0, 3],
      ],
    },
  ],
];

onEveryBackend((backend) => {
  test.each(named)("%s", async (_, part) => expectRight({ ...one, ...part }));

  test("any shape, stride, dilation, padding and groups", async () => {
    await fc.assert(fc.asyncProperty(anyCase, expectRight), { numRuns: backend === "cpu" ? 40 : 150 });
  }, 60_000);

  test("gradients agree with differences", async () => {
    const params = {
      x: make<Tensor4D>(grid([2, 5, 4, 4], 0)),
      weight: make<Tensor4D>(grid([6, 3, 2, 2], 1)),
      bias: make<Tensor1D>(grid([6], 2)),
    };
    const options = {
      stride: [2, 1],
      dilation: [1, 2],
      padding: [
        [1, 0],
        [2, 1],
      ],
      groups: 2,
    } as const;
    await expectGradient((p: typeof params) => conv2d(p.x, p.weight, { ...options, bias: p.bias }), params, {
      elements: 12,
    });
  });

  test("gives only the gradients that are asked for", async () => {
    const [x, w] = [make<Tensor4D>(grid([1, 4, 4, 2], 0)), make<Tensor4D>(grid([3, 2, 2, 2], 1))];
    const { value, grads } = valueAndGrad((p: { w: Tensor4D }) => sum(conv2d(x, p.w)), { w });
    expect(value.shape).toEqual([]);
    expect(grads.w.shape).toEqual([3, 2, 2, 2]);
  });

  test('padding "same" keeps ⌈side / stride⌉, the odd zero below and right', async () => {
    const x = make<Tensor4D>(grid([1, 5, 6, 3], 0));
    const w = make<Tensor4D>(grid([4, 4, 3, 3], 1));
    await expect(conv2d(x, w, { padding: "same", stride: 2 })).toBeAllClose(
      conv2d(x, w, {
        padding: [
          [1, 2],
          [0, 1],
        ],
        stride: 2,
      }),
    );
    expect(conv2d(x, w, { padding: "same" }).shape).toEqual([1, 5, 6, 4]);
    expect(conv2d(x, w, { padding: 2 }).shape).toEqual([1, 6, 8, 4]);
    expect(conv2d(x, w).shape).toEqual([1, 2, 4, 4]);
  });

  test("conv1d is conv2d of images one pixel high", async () => {
    const x = make<Tensor3D>(grid([2, 11, 6], 0));
    const weight = make<Tensor3D>(grid([4, 3, 3], 1));
    const bias = make<Tensor1D>(grid([4], 2));
    const y = conv1d(x, weight, { bias, stride: 2, padding: [2, 1], dilation: 2, groups: 2 });
    expect(y.shape).toEqual([2, 5, 4]);
    const flat = conv2d(reshape(x, [2, 1, 11, 6]), reshape(weight, [4, 1, 3, 3]), {
      bias,
      stride: 2,
      padding: [
        [0, 0],
        [2, 1],
      ],
      dilation: 2,
      groups: 2,
    });
    await expect(y).toBeAllClose(reshape(flat, [2, 5, 4]));
    await expectGradient(
      (p: { x: Tensor3D; weight: Tensor3D }) => conv1d(p.x, p.weight, { stride: 2, groups: 2 }),
      {
        x,
        weight,
      },
      { elements: 8 },
    );
    expect(conv1d(x, weight, { padding: "same", groups: 2 }).shape).toEqual([2, 11, 4]);
  });

  test("NaN and infinity reach only the windows that meet them", async () => {
    for (const groups of [1, 2]) {
      const x = Float32Array.from({ length: 5 * 5 * 2 }, () => 1);
      x[2 * (4 * 5 + 4)] = Number.NaN; // the last pixel
      x[0] = Number.POSITIVE_INFINITY; // the first
      const weight = make<Tensor4D>({ shape: [2, 2, 2, 2 / groups], data: Array(16 / groups).fill(1) });
      const y = conv2d(tensor(x, [1, 5, 5, 2]), weight, { groups });
      const expected = Array(4 * 4 * 2).fill(8 / groups);
      for (const o of groups === 1 ? [0, 1] : [0]) {
        expected[o] = Number.POSITIVE_INFINITY;
        expected[2 * 15 + o] = Number.NaN;
      }
      await expect(y).toBeAllClose(expected);
    }
  });

  test("large and tiny numbers", async () => {
    const x = tensor(Float32Array.of(1e30, 1e-30, -1e30, 0), [1, 2, 2, 1]);
    const y = conv2d(x, tensor(Float32Array.of(1, 2, 1, 2), [1, 2, 2, 1]));
    await expect(y).toBeAllClose([0], { atol: 1e-29 });
    await expect(conv2d(x, tensor(Float32Array.of(1e30), [1, 1, 1, 1]))).toBeAllClose([
      Infinity,
      1,
      -Infinity,
      0,
    ]);
  });

  test("frees its intermediates", () => {
    const [x, w] = [make<Tensor4D>(grid([2, 7, 6, 4], 0)), make<Tensor4D>(grid([4, 3, 3, 4], 1))];
    const [bias, depth] = [make<Tensor1D>(grid([4], 1)), make<Tensor4D>(grid([4, 3, 3, 1], 1))];
    expectNoLeak(() => conv2d(x, w, { padding: 1, bias }));
    expectNoLeak(() => conv2d(x, depth, { groups: 4, stride: 2 }));
    const [row, taps] = [reshape(x, [2, 42, 4]), reshape(w, [4, 9, 4])];
    expectNoLeak(() => conv1d(row, taps));
    expectNoLeak(() =>
      valueAndGrad((p: { x: Tensor4D; w: Tensor4D }) => sum(conv2d(p.x, p.w, { stride: 2 })), { x, w }),
    );
    expectNoLeak(() =>
      valueAndGrad((p: { x: Tensor4D; depth: Tensor4D }) => sum(conv2d(p.x, p.depth, { groups: 4 })), {
        x,
        depth,
      }),
    );
  });

  test("refuses what does not fit", () => {
    const x = make<Tensor4D>(grid([1, 4, 5, 6], 0));
    const w = make<Tensor4D>(grid([4, 3, 3, 6], 0));
    expect(() => conv2d(x, make<Tensor4D>(grid([4, 3, 3, 5], 0)))).toThrow(
      "conv2d: weight has shape [4, 3, 3, 5], expected [4, 3, 3, 6]. Its last side is channels / groups.",
    );
    expect(() => conv2d(x, w, { groups: 4 })).toThrow(
      "conv2d: 4 groups share 6 channels and 4 outputs, expected a divisor of both.",
    );
    expect(() => conv2d(x, w, { groups: 0 })).toThrow("conv2d: groups is 0, expected a positive integer.");
    expect(() => conv2d(x, w, { bias: tensor([1, 2]) })).toThrow("conv2d: bias has shape [2], expected [4].");
    expect(() => conv2d(x, w, { dilation: 2 })).toThrow(
      "conv2d: the height is 4, with padding 4; the kernel of 3 covers 5, expected at most as much. Pad more, or use a smaller kernel or dilation.",
    );
    expect(() => conv2d(x, w, { stride: [1, 0] })).toThrow(
      "conv2d: the width: stride is 0, expected a positive integer.",
    );
    expect(() => conv2d(x, w, { dilation: 1.5 })).toThrow("the height: dilation is 1.5, expected a positive");
    expect(() => conv2d(x, w, { padding: -1 })).toThrow(
      'conv2d: the height: the padding is [-1, -1], expected two non-negative integers, "same" or "valid".',
    );
    expect(() => conv2d(reshape(x, [4, 5, 6]) as never, w)).toThrow(
      "conv2d: x has shape [4, 5, 6], expected [B, height, width, C].",
    );
    expect(() => conv1d(reshape(x, [1, 20, 6]), w as never)).toThrow(
      "conv1d: weight has shape [4, 3, 3, 6], expected [outputs, kernel, C / groups].",
    );
    expect(() => conv1d(reshape(x, [1, 20, 6]), make<Tensor3D>(grid([4, 21, 6], 0)))).toThrow(
      "conv1d: the length is 20, with padding 20; the kernel of 21 covers 21, expected at most as much.",
    );
    expect(() => conv2d(tensor(Int32Array.of(1), [1, 1, 1, 1]), w)).toThrow(
      "conv2d: x is int32, expected float32",
    );
  });

  describe.skipIf(backend === "cpu")("kernels", () => {
    test("every op has one here", () => {
      const names = [conv2dOp, conv2dInputGradOp, conv2dWeightGradOp].map((op) => op.opName);
      expect(opsWithoutKernel().filter((name) => names.includes(name))).toEqual([]);
    });
  });
});
