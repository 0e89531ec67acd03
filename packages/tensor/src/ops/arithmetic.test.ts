import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  broadcastPair,
  expectGradient,
  expectNoLeak,
  int32,
  onEveryBackend,
  sizeOf,
  values,
} from "../../../../tools/testing/index.ts";
import { type Grid, zip } from "../../test/oracle.ts";
import type { Tensor } from "../types.ts";
import { add, div, maximum, minimum, mul, type Operand, sub } from "./arithmetic.ts";
import { tensor } from "./create.ts";

type BinaryOp = (a: Tensor, b: Operand) => Tensor;

const floatOps: [string, BinaryOp, (a: number, b: number) => number][] = [
  ["add", add, (a, b) => Math.fround(a + b)],
  ["sub", sub, (a, b) => Math.fround(a - b)],
  ["mul", mul, (a, b) => Math.fround(a * b)],
  ["div", div, (a, b) => Math.fround(a / b)],
  ["maximum", maximum, Math.max],
  ["minimum", minimum, Math.min],
];
const intOps: [string, BinaryOp, (a: number, b: number) => number][] = [
  ["add", add, (a, b) => (a + b) | 0],
  ["sub", sub, (a, b) => (a - b) | 0],
  ["mul", mul, Math.imul],
  ["maximum", maximum, Math.max],
  ["minimum", minimum, Math.min],
];

const pairOf = (extremes: boolean, minSide = 1, tiny = true) =>
  broadcastPair({ minSide }).chain(([a, b]) =>
    fc.record({
      a: values(sizeOf(a), { extremes, tiny }).map((data): Grid => ({ shape: a, data: [...data] })),
      b: values(sizeOf(b), { extremes, tiny }).map((data): Grid => ({ shape: b, data: [...data] })),
    }),
  );
/** What a GPU computes, it may take for 0 when it is denormal; what it only chooses, it keeps. */
const keepsTiny = (backend: string, name: string) => backend !== "webgpu" || /maximum|minimum/.test(name);
const float = ({ data, shape }: Grid): Tensor => tensor(Float32Array.from(data), shape);
const int = ({ data, shape }: Grid): Tensor => tensor(Int32Array.from(data), shape);
const exact = { atol: 0, rtol: 0 };
/** A result that is denormal may be 0 on a GPU: off by less than the smallest normal number. */
const exactButDenormals = { atol: 2 ** -126, rtol: 0 };

onEveryBackend((backend) => {
  describe.each(floatOps)("%s of float32", (name, op, expected) => {
    test("is exact for every shape and value, infinities, NaN and empty tensors included", async () => {
      await fc.assert(
        fc.asyncProperty(pairOf(true, 0, keepsTiny(backend, name)), async ({ a, b }) => {
          const tolerance = keepsTiny(backend, name) ? exact : exactButDenormals;
          await expect(op(float(a), float(b))).toBeAllClose(zip(a, b, expected), tolerance);
        }),
        { numRuns: 60 },
      );
    });

    test("takes a number on the right", async () => {
      const x = { shape: [3], data: [-1, 0.5, 4] };
      await expect(op(float(x), 0.5)).toBeAllClose(zip(x, { shape: [], data: [0.5] }, expected), exact);
    });

    test("has the gradient of both operands, broadcast or not", async () => {
      await fc.assert(
        fc.asyncProperty(broadcastPair({ maxRank: 4 }), async ([a, b]) => {
          // the operands stay apart from each other and from 0
          const params = {
            a: tensor(
              Float32Array.from({ length: sizeOf(a) }, (_, i) => (i % 2 ? 1.1 : -1.3) - 0.05 * (i % 5)),
              a,
            ),
            b: tensor(
              Float32Array.from({ length: sizeOf(b) }, (_, i) => (i % 3 ? 2 : 0.5) + 0.03 * (i % 7)),
              b,
            ),
          };
          await expectGradient((p: typeof params) => op(p.a, p.b), params, { elements: 4 });
        }),
        { numRuns: 8 },
      );
    });

    test("frees its intermediates", () => {
      const a = tensor([[1, 2, 3]]);
      const b = tensor([[4], [5]]);
      expectNoLeak(() => op(a, b));
      expectNoLeak(() => op(a, 2));
    });

    test("refuses what it cannot do", () => {
      const name = op.name;
      const x = tensor([1, 2, 3]);
      const gone = tensor([1]);
      gone.dispose();
      expect(() => op(x, tensor([1, 2]))).toThrow(
        `${name}: the shapes [3] and [2] do not broadcast: 3 meets 2.`,
      );
      expect(() => op(x, tensor(Int32Array.of(1)))).toThrow(
        `${name}: the second operand is int32, expected float32`,
      );
      expect(() => op(tensor(Uint8Array.of(1)), tensor(Uint8Array.of(1)))).toThrow(
        `${name}: the first operand is bool`,
      );
      expect(() => op(x, gone)).toThrow("of shape [1] was disposed before");
      expect(() => op(gone, 1)).toThrow("of shape [1] was disposed before");
      expect(() => op(tensor([1], [1, 1, 1, 1, 1, 1, 1]), x)).toThrow(
        `${name}: the rank is 7, expected at most 6`,
      );
      expect(() => op(undefined as never, x)).toThrow(
        `${name}: the first operand is undefined, expected a tensor`,
      );
      expect(() => op(x, "2" as never)).toThrow(`${name}: the second operand is a string, expected a tensor`);
    });
  });

  describe.each(intOps)("%s of int32", (_, op, expected) => {
    test("is exact, and wraps past 2³¹", async () => {
      const operand = int32();
      const pair = broadcastPair({ minSide: 0 }).chain(([a, b]) => {
        const numbers = (shape: number[]) =>
          fc
            .array(operand, { minLength: sizeOf(shape), maxLength: sizeOf(shape) })
            .map((data): Grid => ({ shape, data }));
        return fc.record({ a: numbers(a), b: numbers(b) });
      });
      await fc.assert(
        fc.asyncProperty(pair, async ({ a, b }) => {
          await expect(op(int(a), int(b))).toBeAllClose(zip(a, b, expected));
        }),
        { numRuns: 60 },
      );
    });

    test("takes an integer on the right, and refuses a fraction", async () => {
      await expect(op(tensor(Int32Array.of(16777217)), 16777216)).toBeAllClose([
        expected(16777217, 16777216),
      ]);
      expect(() => op(tensor(Int32Array.of(1)), 0.5)).toThrow("value 0 is 0.5, expected an int32");
    });
  });

  test("div of int32 is refused", () => {
    expect(() => div(tensor(Int32Array.of(1)), tensor(Int32Array.of(2)))).toThrow(
      "div: the first operand is int32, expected float32",
    );
  });

  test.each([
    ["maximum", maximum, [1, 0, 1]],
    ["minimum", minimum, [1, 1, 0]],
  ] as const)("%s gives the gradient of a tie to the first operand", async (_, op, towardsA) => {
    const { valueAndGrad } = await import("../value-and-grad.ts");
    const { sum } = await import("./reduce.ts");
    const params = { a: tensor([2, 1, 3]), b: tensor([2, 2, 2]) };
    const { grads } = valueAndGrad((p: typeof params) => sum(op(p.a, p.b)), params);
    await expect(grads.a).toBeAllClose([...towardsA]);
    await expect(grads.b).toBeAllClose(towardsA.map((n) => 1 - n));
  });

  test("squares: one tensor on both sides gets both gradients", async () => {
    await expectGradient((x: Tensor) => mul(x, x), tensor([1, -2, 3]));
    await expectGradient((x: Tensor) => sub(x, div(x, x)), tensor([1, -2, 3]));
  });
});
