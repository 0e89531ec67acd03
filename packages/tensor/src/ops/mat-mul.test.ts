import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  expectGradient,
  expectNoLeak,
  oddSize,
  onEveryBackend,
  sizeOf,
} from "../../../../tools/testing/index.ts";
import { type Grid, product } from "../../test/oracle.ts";
import type { Tensor } from "../types.ts";
import { tensor } from "./create.ts";
import { matMul } from "./mat-mul.ts";
import { reshape } from "./shape.ts";

/** Values in [−1, 1] that do not repeat in step with any side. */
const grid = (shape: readonly number[], phase: number): Grid => ({
  shape,
  data: Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(Math.sin(i * 1.7 + phase))),
});
const make = ({ data, shape }: Grid): Tensor => tensor(Float32Array.from(data), shape);
const turns = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

/** Both shapes of a product, from its leading axes and sides. */
function shapes(
  leadA: number[],
  leadB: number[],
  [M, K, N]: number[],
  turnA: boolean,
  turnB: boolean,
): [number[], number[]] {
  const [m, k, n] = [M as number, K as number, N as number];
  return [
    [...leadA, ...(turnA ? [k, m] : [m, k])],
    [...leadB, ...(turnB ? [n, k] : [k, n])],
  ];
}

const leads: [string, number[], number[]][] = [
  ["two matrices", [], []],
  ["a batch and one matrix", [3], []],
  ["one matrix and a batch", [], [3]],
  ["batches of 1", [1], [1]],
  ["equal batches", [2, 3], [2, 3]],
  ["a batch that is a suffix", [2, 3], [3]],
  ["two-sided broadcasting", [2, 1], [1, 3]],
  ["ranks that differ", [3], [2, 1]],
  ["grouped queries", [2, 3], [2, 1]],
  ["an empty batch", [0, 2], [2]],
];

onEveryBackend(() => {
  describe.each(turns)("transposeA %s, transposeB %s", (transposeA, transposeB) => {
    test.each(leads)("%s: %j · %j", async (_, leadA, leadB) => {
      for (const sides of [
        [3, 5, 4],
        [1, 17, 9],
        [8, 16, 16],
      ]) {
        const [shapeA, shapeB] = shapes(leadA, leadB, sides, transposeA, transposeB);
        const [a, b] = [grid(shapeA, 0), grid(shapeB, 1)];
        const y = matMul(make(a), make(b), { transposeA, transposeB });
        await expect(y).toBeAllClose(product(a, b, transposeA, transposeB), { atol: 1e-5 });
      }
    });

    test.each(leads)("%s: the gradient of %j · %j", async (_, leadA, leadB) => {
      if (leadA.includes(0)) return;
      const [shapeA, shapeB] = shapes(leadA, leadB, [2, 3, 4], transposeA, transposeB);
      const params = { a: make(grid(shapeA, 0)), b: make(grid(shapeB, 1)) };
      await expectGradient((p: typeof params) => matMul(p.a, p.b, { transposeA, transposeB }), params, {
        elements: 12,
      });
    });

    test("every size of tile and remainder", async () => {
      await fc.assert(
        fc.asyncProperty(oddSize({ max: 33 }), oddSize(), oddSize({ max: 33 }), async (M, K, N) => {
          const [shapeA, shapeB] = shapes([], [], [M, K, N], transposeA, transposeB);
          const [a, b] = [grid(shapeA, 0), grid(shapeB, 1)];
          const y = matMul(make(a), make(b), { transposeA, transposeB });
          await expect(y).toBeAllClose(product(a, b, transposeA, transposeB), { atol: 1e-5 });
        }),
        { numRuns: 30 },
      );
    });

    test.each([
      ["K = 0", [3, 0, 4]],
      ["M = 0", [0, 3, 4]],
      ["N = 0", [3, 4, 0]],
    ])("%s", async (_, sides) => {
      for (const [leadA, leadB] of [
        [[], []],
        [[2], []],
        [[2], [2]],
      ] as number[][][]) {
        const [shapeA, shapeB] = shapes(leadA as number[], leadB as number[], sides, transposeA, transposeB);
        const y = matMul(make(grid(shapeA, 0)), make(grid(shapeB, 1)), { transposeA, transposeB });
        const shape = [...(leadA as number[]), sides[0] as number, sides[2] as number];
        await expect(y).toBeAllClose({ shape, data: Array(sizeOf(shape)).fill(0) });
      }
    });
  });

  test("K = 0 has a gradient of nothing", async () => {
    const params = { a: tensor([], [3, 0]), b: tensor([], [0, 2]) };
    await expectGradient((p: typeof params) => matMul(p.a, p.b), params);
  });

  test("grouped queries by folding equal the broadcast form", async () => {
    const [B, Hkv, G, T, S, d] = [2, 2, 3, 4, 5, 8];
    const q = make(grid([B, Hkv, G, T, d], 0));
    const k = make(grid([B, Hkv, S, d], 1));
    const folded = matMul(reshape(q, [B, Hkv, G * T, d]), k, { transposeB: true }); // [B, Hkv, G·T, S]
    const broadcast = matMul(q, reshape(k, [B, Hkv, 1, S, d]), { transposeB: true }); // [B, Hkv, G, T, S]
    await expect(reshape(folded, [B, Hkv, G, T, S])).toBeAllClose(broadcast, { atol: 1e-6 });
  });

  test("NaN and infinity reach only their own row", async () => {
    const y = matMul(
      tensor([
        [1, Number.NaN],
        [Infinity, 1],
        [1, 2],
      ]),
      tensor([
        [1, 2],
        [3, 4],
      ]),
    );
    await expect(y).toBeAllClose([
      [NaN, NaN],
      [Infinity, Infinity],
      [7, 10],
    ]);
  });

  test("frees its intermediates", () => {
    const [a, b] = [make(grid([2, 1, 3, 4], 0)), make(grid([3, 4, 5], 1))];
    expectNoLeak(() => matMul(a, b));
    expectNoLeak(() => matMul(b, b, { transposeB: true }));
  });

  test("refuses what it cannot do", () => {
    const x = tensor([[1, 2, 3]]);
    const gone = tensor([[1]]);
    gone.dispose();
    expect(() => matMul(x, x)).toThrow("matMul: [1, 3] and [1, 3] do not fit: 3 columns meet 1 rows.");
    expect(() => matMul(x, x, { transposeA: true, transposeB: true })).toThrow(
      "[1, 3] transposed and [1, 3] transposed do not fit",
    );
    expect(() => matMul(tensor([1]), x)).toThrow(
      "matMul: got [1] and [1, 3], expected rank 2 or more. Reshape",
    );
    expect(() => matMul(tensor([], [2, 3, 0]), tensor([], [3, 0, 1]))).toThrow(
      "the leading axes: the shapes [2] and [3] do not broadcast",
    );
    expect(() => matMul(tensor(Int32Array.of(1), [1, 1]), x)).toThrow("matMul: a is int32, expected float32");
    expect(() => matMul(x, tensor(Int32Array.of(1), [1, 1]))).toThrow("matMul: b is int32, expected float32");
    expect(() => matMul(gone, x)).toThrow("matMul: a of shape [1, 1] was disposed before");
    expect(() => matMul(x, null as never)).toThrow("matMul: b is null, expected a tensor");
  });
});
