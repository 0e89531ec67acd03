import { Rng } from "@corenet/core";
import { readData, type Tensor, tensor } from "@corenet/tensor";
import { expect, test } from "vitest";
import { expectNoLeak, onBackend, onEveryBackend } from "../../../tools/testing/index.ts";
import { averageTrees } from "./average-trees.ts";
import { ema } from "./ema.ts";
import { emaUpdate } from "./kernels/ema-update/op.ts";
import { emaUpdateReference } from "./kernels/ema-update/reference.ts";
import { addTrees, scaleTree } from "./tree-arithmetic.ts";

const noise = (seed: number, length = 1001) => new Rng(seed).fillNormal(new Float32Array(length));

onEveryBackend(() => {
  test("the mean of five checkpoints is the mean to one unit in the last place", async () => {
    const models = [1, 2, 3, 4, 5].map((seed) => ({
      a: { w: tensor(noise(seed), [7, 143]) },
      b: [tensor(seed / 3)],
    }));
    const mean = await averageTrees(models);
    const got = await readData(mean.a.w);
    const arrays = [1, 2, 3, 4, 5].map((seed) => noise(seed));
    got.forEach((value, i) => {
      const exact = arrays.reduce((sum, array) => sum + (array[i] as number), 0) / 5;
      const ulp = 2 ** (Math.floor(Math.log2(Math.abs(exact))) - 23);
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(ulp);
    });
    await expect(mean.b[0] as Tensor).toBeAllClose(1, { atol: 2e-7 });
    expect(mean.a.w.shape).toEqual([7, 143]);
    await expectNoLeak(() => averageTrees(models));
  });

  test("says which leaf of which shape is in the way of a mean", async () => {
    const models = [
      { a: tensor([1]), b: tensor([1, 2]) },
      { a: tensor([1]), b: tensor([1]) },
    ];
    await expect(averageTrees(models)).rejects.toThrow(
      "averageTrees: b has shape [1], expected [2]. Average one model.",
    );
    await expect(averageTrees([])).rejects.toThrow("got no trees");
  });

  test("the moving average moves by 1 − decay, also where decay is near 1", async () => {
    const [average, params] = [
      { a: [tensor([1, 2])], b: tensor(0) },
      { a: [tensor([2, 2])], b: tensor(10) },
    ];
    const next = ema(average, params, 0.75);
    await expect(next.a[0] as Tensor).toBeAllClose([1.25, 2]);
    await expect(next.b).toBeAllClose(2.5);
    await expect(ema(average, params, 0.99999).b).toBeAllClose(1e-4, { atol: 0, rtol: 1e-5 });
    await expect(ema(average, params, 0).b).toBeAllClose(10);
    await expect(ema(average, params, 1).b).toBeAllClose(0);
    expectNoLeak(() => ema(average, params, 0.5));
    expect(() => ema(average, params, 1.5)).toThrow("ema: decay is 1.5, expected a number in [0, 1]");
    expect(() => ema({ a: tensor([1]) }, { a: tensor([1, 2]) }, 0.5)).toThrow(
      "ema: a has shape [2], expected [1]",
    );
  });

  test("adds and scales trees", async () => {
    const [a, b] = [{ x: tensor([1, 2]) }, { x: tensor([10, 20]) }];
    await expect(addTrees(a, b).x).toBeAllClose([11, 22]);
    await expect(scaleTree(b, 0.5).x).toBeAllClose([5, 10]);
    expect(() => addTrees(a, { x: tensor([1]) })).toThrow("addTrees: x has shape [1], expected [2]"); // no broadcasting
    expectNoLeak(() => addTrees(a, b));
  });
});

onBackend("wasm", () => {
  test.each([0, 1, 3, 4, 1001])(
    "the kernel of the moving average equals its reference on %i numbers",
    async (n) => {
      expect(emaUpdate.implementation()).toBe("kernel");
      const inputs: [Tensor, Tensor] = [tensor(noise(1, n)), tensor(noise(2, n))];
      const [fast] = emaUpdate(inputs, { decay: 0.9 });
      const [slow] = emaUpdateReference(inputs, { decay: 0.9 });
      await expect(fast).toBeAllClose(slow, { atol: 1e-12, rtol: 1e-6 });
    },
  );
});
