import { readData, tensor, zeros } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  expectNoLeak,
  onBackend,
  onEveryBackend,
  shape,
  sizeOf,
  values,
} from "../../../tools/testing/index.ts";
import { clipByGlobalNorm, clipFactor, globalNorm } from "./global-norm.ts";
import { l2Norms } from "./kernels/l2-norms/op.ts";
import { l2NormsReference } from "./kernels/l2-norms/reference.ts";

onEveryBackend(() => {
  test("by hand", async () => {
    await expect(globalNorm({ a: tensor([[3, 0]]), b: [tensor([4]), tensor(12)] })).toBeAllClose(13);
    await expect(globalNorm({})).toBeAllClose(0);
    await expect(globalNorm({ none: zeros([0, 3]), zero: zeros([5]) })).toBeAllClose(0);
  });

  test("does not leave the range of float32 on the way, and sees every number that is not finite", async () => {
    await expect(globalNorm([tensor([3e30]), tensor([-4e30])])).toBeAllClose(5e30);
    await expect(globalNorm([tensor([3e-30, 4e-30])])).toBeAllClose(5e-30, { atol: 0, rtol: 1e-5 });
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const [norms] = l2Norms([tensor([1, bad, 2]), tensor([2]), tensor([bad]), tensor([0, bad])], {});
      expect(Array.from(await readData(norms), Number.isFinite)).toEqual([false, true, false, false]);
      expect((await readData(globalNorm([tensor([1]), tensor([bad])])))[0]).not.toSatisfy(Number.isFinite);
    }
  });

  test("numbers of every size, over several pieces", async () => {
    const wide = new Float32Array(10_000).fill(1e-20);
    wide.set([3e38, -1e38, 1e-38], 5000);
    const [norms] = l2Norms([tensor(wide), tensor(wide.subarray(0, 5000)), tensor([3e38, 3e38])], {});
    const [first, second, beyond] = await readData(norms);
    expect((first as number) / Math.hypot(3e38, 1e38)).toBeCloseTo(1, 5);
    expect((second as number) / (1e-20 * Math.sqrt(5000))).toBeCloseTo(1, 5);
    expect(beyond).toBe(Infinity);
  });

  test("sums two million terms accurately", async () => {
    await expect(globalNorm([tensor(new Float32Array(2 ** 21).fill(0.1))])).toBeAllClose(0.1 * 2 ** 10.5, {
      atol: 0,
      rtol: 1e-5,
    });
  });

  test("clips as PyTorch does", async () => {
    const grads = { a: tensor([[3, 0]]), b: tensor([4]) };
    const { tree, norm } = clipByGlobalNorm(grads, 1);
    await expect(norm).toBeAllClose(5);
    await expect(tree.a).toBeAllClose([[3 / (5 + 1e-6), 0]], { rtol: 1e-6 });
    await expect(globalNorm(tree)).toBeAllClose(1, { rtol: 1e-6 });
    const loose = clipByGlobalNorm(grads, 10).tree;
    await expect(loose.b).toBeAllClose([4], { atol: 0, rtol: 0 });
    expect([clipFactor(5, 1), clipFactor(0, 1)]).toEqual([1 / (5 + 1e-6), 1]);
    expect(() => clipByGlobalNorm(grads, 0)).toThrow("clipByGlobalNorm: maxNorm is 0, expected a number > 0");
    expect(() => globalNorm({ ids: tensor(Int32Array.of(1)) })).toThrow("globalNorm: ids is int32");
    expectNoLeak(() => clipByGlobalNorm(grads, 1));
  });
});

for (const name of ["wasm", "webgpu"] as const)
  onBackend(name, () => {
    test("the kernel runs, and equals its reference", async () => {
      expect(l2Norms.implementation()).toBe("kernel");
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            shape({ maxRank: 3, minSide: 0 }).chain((sides) =>
              values(sizeOf(sides)).map((data) => tensor(data, sides)),
            ),
            { minLength: 1, maxLength: 5 },
          ),
          async (tensors) => {
            const [fast, slow] = [l2Norms(tensors, {}), l2NormsReference(tensors)];
            await expect(fast[0]).toBeAllClose(slow[0], { atol: 1e-30, rtol: 1e-5 });
            for (const one of [...tensors, ...fast, ...slow]) one.dispose();
          },
        ),
        { examples: [[[tensor([1e-45])]]], ...(name === "wasm" && { numRuns: 40 }) },
      );
    });
  });
