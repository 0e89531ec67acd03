import { Rng } from "@corenet/core";
import { conv1d, conv2d, readData, type Tensor4D, tensor, transpose } from "@corenet/tensor";
import { expect, test } from "vitest";
import { onEveryBackend } from "../../../tools/testing/index.ts";
import { convWeight, createConv1d, createConv2d } from "./conv.ts";

onEveryBackend(() => {
  test("createConv2d makes a window and a bias that fit conv2d", async () => {
    const options = { channels: 6, outputs: 4, kernel: [3, 2], groups: 2 } as const;
    const params = await createConv2d(options, new Rng(1));
    expect(params.weight.shape).toEqual([4, 3, 2, 3]);
    const x = tensor(new Float32Array(2 * 5 * 5 * 6).fill(1), [2, 5, 5, 6]);
    expect(conv2d(x, params.weight, { ...params, groups: 2, stride: 2 }).shape).toEqual([2, 2, 2, 4]);
  });

  test("createConv1d makes a window, without a bias where none is wanted", async () => {
    const params = await createConv1d({ channels: 8, outputs: 5, kernel: 4, bias: false }, new Rng(1));
    expect(params.bias).toBeUndefined();
    const x = tensor(new Float32Array(2 * 12 * 8).fill(1), [2, 12, 8]);
    expect(conv1d(x, params.weight, { ...params, stride: 2 }).shape).toEqual([2, 5, 5]);
  });

  test("weights are uniform in ±1/√(fan in), and one seed gives one window", async () => {
    const options = { channels: 64, outputs: 32, kernel: 3 };
    const { weight, bias } = await createConv2d(options, new Rng(7));
    const values = await readData(weight);
    const bound = (3 * 3 * 64) ** -0.5;
    const largest = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.99 * bound);
    const square = values.reduce((total, value) => total + value ** 2, 0) / values.length;
    expect(square / (bound ** 2 / 3)).toBeCloseTo(1, 1);
    if (!bias) throw new Error("expected a bias");
    expect((await readData(bias)).every((value) => Math.abs(value) <= bound)).toBe(true);
    await expect((await createConv2d(options, new Rng(7))).weight).toBeAllClose(weight, { atol: 0, rtol: 0 });
  });

  test("convWeight turns a checkpoint's window", async () => {
    const kernel = tensor(
      Float32Array.from({ length: 24 }, (_, i) => i),
      [2, 3, 2, 2],
    ) as Tensor4D;
    const turned = convWeight(kernel);
    expect(turned.shape).toEqual([2, 2, 2, 3]);
    await expect(transpose(turned, [0, 3, 1, 2])).toBeAllClose(kernel);
    const line = tensor(Float32Array.of(0, 1, 2, 3, 4, 5), [1, 2, 3]);
    await expect(convWeight(line)).toBeAllClose([
      [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    ]);
  });

  test("refuses groups that do not divide", async () => {
    await expect(createConv2d({ channels: 6, outputs: 4, kernel: 3, groups: 4 }, new Rng(1))).rejects.toThrow(
      "createConv2d: 4 groups share 6 channels and 4 outputs, expected a divisor of both.",
    );
    await expect(createConv1d({ channels: 6, outputs: 4, kernel: 3, groups: 6 }, new Rng(1))).rejects.toThrow(
      "createConv1d: 6 groups share 6 channels and 4 outputs",
    );
  });
});
