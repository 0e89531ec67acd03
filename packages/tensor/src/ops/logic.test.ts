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
import { at, broadcast, build, type Grid, zip } from "../../test/oracle.ts";
import type { Tensor } from "../types.ts";
import { valueAndGrad } from "../value-and-grad.ts";
import type { Operand } from "./arithmetic.ts";
import { tensor } from "./create.ts";
import {
  equal,
  greater,
  greaterEqual,
  isFinite as isFiniteEach,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  notEqual,
  where,
} from "./logic.ts";
import { sum } from "./reduce.ts";

const comparisons: [string, (a: Tensor, b: Operand) => Tensor, (a: number, b: number) => boolean][] = [
  ["equal", equal, (a, b) => a === b],
  ["notEqual", notEqual, (a, b) => a !== b],
  ["less", less, (a, b) => a < b],
  ["lessEqual", lessEqual, (a, b) => a <= b],
  ["greater", greater, (a, b) => a > b],
  ["greaterEqual", greaterEqual, (a, b) => a >= b],
];
const float = ({ data, shape }: Grid): Tensor => tensor(Float32Array.from(data), shape);
const int = ({ data, shape }: Grid): Tensor => tensor(Int32Array.from(data), shape);
const bool = ({ data, shape }: Grid): Tensor => tensor(Uint8Array.from(data), shape);
const gridOf = (arbitrary: fc.Arbitrary<number>, shape: number[]): fc.Arbitrary<Grid> =>
  fc
    .array(arbitrary, { minLength: sizeOf(shape), maxLength: sizeOf(shape) })
    .map((data) => ({ shape, data }));
const pairs = (arbitrary: fc.Arbitrary<number>) =>
  broadcastPair({ minSide: 0 }).chain(([a, b]) =>
    fc.record({ a: gridOf(arbitrary, a), b: gridOf(arbitrary, b) }),
  );
const near = fc.constantFrom(-1, 0, -0, 1, NaN, Infinity, -Infinity, 0.1, 16777216);
const nearInt = fc.oneof(fc.constantFrom(16777216, 16777217, 16777218), int32());

onEveryBackend(() => {
  describe.each(comparisons)("%s", (name, op, expected) => {
    test("compares float32 of any shapes that broadcast; NaN equals nothing", async () => {
      await fc.assert(
        fc.asyncProperty(pairs(near), async ({ a, b }) => {
          const y = op(float(a), float(b));
          expect(y.dtype).toBe("bool");
          await expect(y).toBeAllClose(zip(a, b, (p, q) => Number(expected(p, q))));
        }),
        { numRuns: 40 },
      );
    });

    test("compares int32 exactly", async () => {
      await fc.assert(
        fc.asyncProperty(pairs(nearInt), async ({ a, b }) => {
          await expect(op(int(a), int(b))).toBeAllClose(zip(a, b, (p, q) => Number(expected(p, q))));
        }),
        { numRuns: 40 },
      );
      await expect(op(tensor(Int32Array.of(16777217)), 16777216)).toBeAllClose([
        Number(expected(16777217, 16777216)),
      ]);
    });

    test("stops gradients, frees what it makes, refuses what it cannot do", async () => {
      const x = tensor([1, 2]);
      const { grads } = valueAndGrad((p: Tensor) => sum(where(op(p, 1.5), p, 0)), x);
      await expect(grads).toBeAllClose([1, 2].map((value) => Number(expected(value, 1.5))));
      expectNoLeak(() => [op(x, 1), op(x, x)]);
      expect(() => op(x, tensor([1, 2, 3]))).toThrow(`${name}: the shapes [2] and [3] do not broadcast`);
      expect(() => op(x, tensor(Int32Array.of(1)))).toThrow(
        `${name}: the second operand is int32, expected float32`,
      );
      expect(() => op(tensor(Uint8Array.of(1)), 1)).toThrow(`${name}: the first operand is bool`);
      expect(() => op(undefined as never, 1)).toThrow(`${name}: the first operand is undefined`);
    });
  });

  test.each([
    ["logicalAnd", logicalAnd, (a: number, b: number) => a & b],
    ["logicalOr", logicalOr, (a: number, b: number) => a | b],
  ] as const)("%s of bools that broadcast", async (name, op, expected) => {
    await fc.assert(
      fc.asyncProperty(pairs(fc.nat(1)), async ({ a, b }) => {
        await expect(op(bool(a), bool(b))).toBeAllClose(zip(a, b, expected));
      }),
      { numRuns: 40 },
    );
    const x = tensor(Uint8Array.of(1, 0));
    expectNoLeak(() => op(x, x));
    expect(() => op(x, tensor([1, 2]))).toThrow(`${name}: b is float32, expected bool`);
    expect(() => op(tensor(Int32Array.of(1)), x)).toThrow(`${name}: a is int32, expected bool`);
    expect(() => op(x, tensor(Uint8Array.of(1, 1, 1)))).toThrow(
      `${name}: the shapes [2] and [3] do not broadcast`,
    );
  });

  test("logicalNot and isFinite", async () => {
    await expect(logicalNot(tensor(Uint8Array.of(1, 0)))).toBeAllClose([0, 1]);
    await expect(isFiniteEach(tensor([1, NaN, Infinity, -Infinity, 3.4e38, 1e-45]))).toBeAllClose([
      1, 0, 0, 0, 1, 1,
    ]);
    expect(() => logicalNot(tensor([1]))).toThrow("logicalNot is float32, expected bool");
    expect(() => isFiniteEach(tensor(Int32Array.of(1)))).toThrow("isFinite is int32, expected float32");
  });

  test("where chooses among three that broadcast", async () => {
    const three = broadcastPair({ maxRank: 4, minSide: 0 }).chain(([a, b]) =>
      fc.record({
        condition: gridOf(fc.nat(1), a),
        a: values(sizeOf(b), { extremes: true }).map((data): Grid => ({ shape: b, data: [...data] })),
        b: values(sizeOf(a.slice(-1)), { extremes: true }).map(
          (data): Grid => ({ shape: a.slice(-1), data: [...data] }),
        ),
      }),
    );
    await fc.assert(
      fc.asyncProperty(three, async ({ condition, a, b }) => {
        const shape = broadcast(condition.shape, a.shape, b.shape);
        const wanted = build(shape, (i) => (at(condition, i) ? at(a, i) : at(b, i)));
        await expect(where(bool(condition), float(a), float(b))).toBeAllClose(wanted, { atol: 0, rtol: 0 });
      }),
      { numRuns: 60 },
    );
  });

  test("where of int32 and of numbers", async () => {
    const condition = tensor(Uint8Array.of(1, 0));
    const big = tensor(Int32Array.of(16777217, -(2 ** 31)));
    await expect(where(condition, big, 16777219)).toBeAllClose([16777217, 16777219]);
    await expect(where(condition, 1, 2)).toBeAllClose([1, 2]);
    await expect(
      where(
        condition,
        1,
        tensor([
          [3, 4],
          [5, 6],
        ]),
      ),
    ).toBeAllClose([
      [1, 4],
      [1, 6],
    ]);
  });

  test("where has the gradient of what it chose, broadcast or not", async () => {
    const condition = tensor(Uint8Array.of(1, 0, 1, 1, 0, 0), [2, 3]);
    const params = { a: tensor([[1], [2]]), b: tensor([3, 4, 5]) };
    await expectGradient((p: typeof params) => where(condition, p.a, p.b), params);
    await expectGradient((p: typeof params) => where(condition, p.a, 7), params);
    const one = tensor(Uint8Array.of(1, 0), [2, 1]);
    await expectGradient((p: typeof params) => where(one, p.a, p.b), params);
  });

  test("where keeps NaN of the other side out of the gradient", async () => {
    const x = tensor([1, NaN]);
    const { grads } = valueAndGrad((p: Tensor) => sum(where(isFiniteEach(p), p, 0)), x);
    await expect(grads).toBeAllClose([1, 0]);
  });

  test("where refuses what it cannot do", () => {
    const condition = tensor(Uint8Array.of(1, 0));
    expectNoLeak(() => where(condition, 1, 2));
    expect(() => where(tensor([1, 0]), 1, 2)).toThrow("where: condition is float32, expected bool");
    expect(() => where(condition, tensor([1, 2, 3]), 2)).toThrow(
      "where: the shapes [2] and [3] do not broadcast",
    );
    expect(() => where(condition, tensor([1]), tensor(Int32Array.of(1)))).toThrow(
      "where: the second operand is int32",
    );
  });
});
