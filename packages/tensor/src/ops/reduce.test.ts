import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  expectGradient,
  expectNoLeak,
  onEveryBackend,
  shape,
  sizeOf,
  values,
} from "../../../../tools/testing/index.ts";
import { type Grid, map, reduce, zip } from "../../test/oracle.ts";
import type { Tensor } from "../types.ts";
import { valueAndGrad } from "../value-and-grad.ts";
import { fill, tensor } from "./create.ts";
import { argMax, logSumExp, max, mean, min, type ReduceOptions, softmax, sum } from "./reduce.ts";

const total = (row: number[]) => row.reduce((a, b) => a + b, 0);
const reductions: [string, (x: Tensor, options?: ReduceOptions) => Tensor, (row: number[]) => number][] = [
  ["sum", sum, total],
  ["mean", mean, (row) => total(row) / row.length],
  ["max", max, (row) => Math.max(...row)],
  ["min", min, (row) => Math.min(...row)],
];

interface Reducible {
  x: Grid;
  axes: number[];
  keepDims: boolean;
}

const reducible = (minRank = 1): fc.Arbitrary<Reducible> =>
  shape({ minRank, maxRank: 6 }).chain((sides) =>
    fc.record({
      x: values(sizeOf(sides)).map((data): Grid => ({ shape: sides, data: [...data] })),
      axes: fc.subarray(sides.map((_, i) => i)),
      keepDims: fc.boolean(),
    }),
  );
const make = ({ data, shape: sides }: Grid): Tensor => tensor(Float32Array.from(data), sides);
const lastOf = ({ shape: sides }: Grid): number[] => [sides.length - 1];

onEveryBackend(() => {
  describe.each(reductions)("%s", (name, op, expected) => {
    test("reduces any set of axes of any shape", async () => {
      await fc.assert(
        fc.asyncProperty(reducible(0), async ({ x, axes, keepDims }) => {
          await expect(op(make(x), { axis: axes, keepDims })).toBeAllClose(
            reduce(x, axes, expected, keepDims),
          );
        }),
        { numRuns: 60 },
      );
    });

    test("reduces everything by default, and counts negative axes from the last", async () => {
      const x: Grid = { shape: [2, 3], data: [1, -2, 3, 7, 5, -6] };
      await expect(op(make(x))).toBeAllClose(reduce(x, [0, 1], expected));
      await expect(op(make(x), { axis: -2 })).toBeAllClose(reduce(x, [0], expected));
      await expect(op(make(x), { axis: 1, keepDims: true })).toBeAllClose(reduce(x, [1], expected, true));
    });

    test("NaN and infinity stay in their row", async () => {
      const x: Grid = { shape: [4, 3], data: [1, NaN, 2, NaN, 5, 1, Infinity, 1, 2, 1, -Infinity, 2] };
      await expect(op(make(x), { axis: 1 })).toBeAllClose(reduce(x, [1], expected));
    });

    test("has the gradient", async () => {
      const x = tensor(
        Float32Array.from({ length: 24 }, (_, i) => ((i * 7) % 24) / 4),
        [2, 3, 4],
      );
      for (const axis of [[0], [1], [2], [0, 2], [0, 1, 2], []]) {
        for (const keepDims of [false, true])
          await expectGradient((p: Tensor) => op(p, { axis, keepDims }), x);
      }
    });

    test("refuses what it cannot do, frees what it makes", () => {
      const x = tensor([[1, 2]]);
      const gone = tensor([1]);
      gone.dispose();
      expectNoLeak(() => op(x, { axis: 0, keepDims: true }));
      expect(() => op(x, { axis: 2 })).toThrow(`${name}: axis is 2, expected an integer in [-2, 2).`);
      expect(() => op(x, { axis: [0, 0.5] })).toThrow(`${name}: axis is 0.5`);
      expect(() => op(tensor(Uint8Array.of(1)))).toThrow(`${name} is bool, expected float32`);
      expect(() => op(gone)).toThrow(`${name} of shape [1] was disposed before`);
      expect(() => op(3 as never)).toThrow(`${name} is a number, expected a tensor`);
    });
  });

  test("the sum of nothing is 0, in either dtype", async () => {
    await expect(sum(tensor([], [2, 0]), { axis: 1 })).toBeAllClose([0, 0]);
    await expect(sum(tensor([], [2, 0]), { axis: 0 })).toBeAllClose({ shape: [0], data: [] });
    await expect(sum(tensor([], [0]))).toBeAllClose(0);
    await expect(sum(tensor(new Int32Array(0)))).toBeAllClose(0);
  });

  test.each([
    ["mean", mean],
    ["max", max],
    ["min", min],
    ["argMax", (x: Tensor) => argMax(x)],
    ["softmax", softmax],
    ["logSumExp", logSumExp],
  ])("%s of nothing is refused", (name, op) => {
    expect(() => op(tensor([], [2, 0]))).toThrow(
      `${name}: [2, 0] has nothing to reduce, expected at least one element`,
    );
  });

  test("the sum of int32 is exact and wraps", async () => {
    await expect(sum(tensor(Int32Array.of(16777217, 16777216, -1)))).toBeAllClose([33554432]);
    await expect(sum(tensor(Int32Array.of(2 ** 31 - 1, 1)))).toBeAllClose([-(2 ** 31)]);
    await expect(sum(tensor(Int32Array.of(1, 2, 3, 4), [2, 2]), { axis: 0 })).toBeAllClose([4, 6]);
  });

  test("a million times 0.1 sums to 100 000 within 0.1, along any axis", async () => {
    const tenth = Math.fround(0.1);
    for (const sides of [[1_000_000], [1000, 1000], [10, 100_000], [100_000, 10]]) {
      const x = fill(sides, 0.1);
      await expect(sum(x)).toBeAllClose(1e6 * tenth, { atol: 0, rtol: 1e-6 });
      await expect(mean(x)).toBeAllClose(tenth, { atol: 0, rtol: 1e-6 });
      for (const axis of [0, sides.length - 1]) {
        const wanted = (sides[axis] as number) * tenth;
        const rest = sides.filter((_, i) => i !== axis);
        const data = Array(rest[0] ?? 1).fill(wanted);
        await expect(sum(x, { axis })).toBeAllClose({ shape: rest, data }, { atol: 0, rtol: 1e-6 });
      }
    }
  });

  test.each([
    ["max", max, [2, 5, 5, 1]],
    ["min", min, [7, 5, 5, 9]],
  ] as const)("elements that tie share the gradient of %s", async (_, op, row) => {
    const { grads } = valueAndGrad((x: Tensor) => op(x), tensor([...row]));
    await expect(grads).toBeAllClose([0, 0.5, 0.5, 0]);
  });

  test("argMax takes the first of equals, passes over NaN behind the first place, along any axis", async () => {
    await expect(argMax(tensor([3, 5, 5, 1]))).toBeAllClose(1);
    await expect(argMax(tensor([1, NaN, 2]))).toBeAllClose(2);
    await expect(
      argMax(
        tensor([
          [1, 5],
          [4, 2],
        ]),
      ),
    ).toBeAllClose([1, 0]);
    await expect(
      argMax(
        tensor([
          [1, 5],
          [4, 2],
        ]),
        { axis: 0 },
      ),
    ).toBeAllClose([1, 0]);
    await fc.assert(
      fc.asyncProperty(reducible(), async ({ x }) => {
        for (const axis of [0, x.shape.length - 1]) {
          const wanted = reduce(x, [axis], (row) => row.indexOf(Math.max(...row)));
          await expect(argMax(make(x), { axis })).toBeAllClose(wanted);
        }
      }),
      { numRuns: 30 },
    );
    expect(argMax(tensor([1, 2])).dtype).toBe("int32");
    expect(() => argMax(tensor([1]), { axis: 1 })).toThrow("argMax: axis is 1");
  });

  test("softmax and logSumExp agree with their definitions", async () => {
    await fc.assert(
      fc.asyncProperty(reducible(), async ({ x }) => {
        const last = lastOf(x);
        const sums = reduce(x, last, (row) => total(row.map(Math.exp)), true);
        await expect(softmax(make(x))).toBeAllClose(
          zip(map(x, Math.exp), sums, (e, s) => e / s),
          { rtol: 1e-5 },
        );
        await expect(logSumExp(make(x))).toBeAllClose(
          reduce(x, last, (row) => Math.log(total(row.map(Math.exp)))),
        );
      }),
      { numRuns: 40 },
    );
  });

  test("softmax and logSumExp stay finite where exp does not", async () => {
    const x = tensor([
      [1000, 1000],
      [-1000, -1000],
      [0, -1e9],
    ]);
    await expect(softmax(x)).toBeAllClose([
      [0.5, 0.5],
      [0.5, 0.5],
      [1, 0],
    ]);
    await expect(logSumExp(x)).toBeAllClose([1000 + Math.log(2), -1000 + Math.log(2), 0]);
  });

  test("softmax of no rows is no rows", async () => {
    await expect(softmax(tensor([], [0, 3]))).toBeAllClose({ shape: [0, 3], data: [] });
    await expect(logSumExp(tensor([], [0, 3]))).toBeAllClose({ shape: [0], data: [] });
  });

  test("every one of 70 000 rows of softmax sums to 1", async () => {
    const x = tensor(
      Float32Array.from({ length: 560_000 }, (_, i) => (i % 13) - 6),
      [70_000, 8],
    );
    const sums = sum(softmax(x), { axis: 1 });
    await expect(sums).toBeAllClose(fill([70_000], 1), { atol: 1e-5 });
  });

  test("softmax and logSumExp have their gradients", async () => {
    const x = tensor([
      [0.5, -1, 2],
      [3, 0, 1],
    ]);
    await expectGradient(softmax, x);
    await expectGradient(logSumExp, x);
    await expectGradient(softmax, tensor([1, 2, 3, -1]));
    expectNoLeak(() => [softmax(x), logSumExp(x)]);
  });
});
