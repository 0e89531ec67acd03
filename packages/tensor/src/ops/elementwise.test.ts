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
import type { Tensor } from "../types.ts";
import { tensor } from "./create.ts";
import { abs, exp, log, neg, relu, rsqrt, sigmoid, silu, sqrt, square, tanh } from "./elementwise.ts";

interface Case {
  op: (x: Tensor) => Tensor;
  expected: (x: number) => number;
  /** Where the gradient is tried; away from kinks. */
  points: number[];
  /** Relative error allowed; 0 where a rounding is all that happens. */
  rtol: number;
}

const logistic = (x: number) => 1 / (1 + Math.exp(-x));
const cases: Case[] = [
  { op: neg, expected: (x) => -x, points: [-2, 0, 3], rtol: 0 },
  { op: abs, expected: Math.abs, points: [-2, -0.5, 3], rtol: 0 },
  { op: square, expected: (x) => x * x, points: [-2, 0, 3], rtol: 0 },
  { op: sqrt, expected: Math.sqrt, points: [0.5, 1, 9], rtol: 0 },
  { op: rsqrt, expected: (x) => 1 / Math.sqrt(x), points: [0.5, 1, 9], rtol: 1e-6 },
  { op: exp, expected: Math.exp, points: [-3, 0, 2], rtol: 1e-6 },
  { op: log, expected: Math.log, points: [0.5, 1, 9], rtol: 1e-6 },
  { op: tanh, expected: Math.tanh, points: [-3, -0.2, 0, 1], rtol: 1e-6 },
  { op: sigmoid, expected: logistic, points: [-5, -0.2, 0, 3], rtol: 1e-5 },
  { op: relu, expected: (x) => (x < 0 ? 0 : x), points: [-1, 0.5, 2], rtol: 0 },
  { op: silu, expected: (x) => x * logistic(x), points: [-5, -1, 0, 3], rtol: 1e-5 },
];

onEveryBackend((backend) => {
  describe.each(cases.map((it) => [it.op.name, it] as const))(
    "%s",
    (name, { op, expected, points, rtol }) => {
      test("agrees with plain JavaScript on every shape", async () => {
        const array = shape({ minSide: 0 }).chain((sides) =>
          fc.tuple(
            fc.constant(sides),
            values(sizeOf(sides), {
              min: -20,
              max: 20,
              tiny: backend !== "webgpu" || /neg|abs|relu/.test(name),
            }),
          ),
        );
        await fc.assert(
          fc.asyncProperty(array, async ([sides, data]) => {
            const wanted = { shape: sides, data: Float32Array.from(data, expected) };
            await expect(op(tensor(data, sides))).toBeAllClose(wanted, { atol: rtol && 1e-37, rtol });
          }),
          { numRuns: 40 },
        );
      });

      test("keeps NaN and follows the limits at ±infinity", async () => {
        const edges = [
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
          0,
          -0,
          100,
          -100,
          1e-30,
          1e30,
          -1e30,
        ];
        const wanted = Float32Array.from(edges, (x) =>
          name === "silu" && x === -Infinity ? Number.NaN : expected(x),
        );
        await expect(op(tensor(edges))).toBeAllClose(wanted, { atol: 1e-37, rtol: 1e-5 });
      });

      test("has the gradient", async () => {
        await expectGradient(op, tensor(points));
        await expectGradient(op, tensor([points, points]));
      });

      test("frees its intermediates and refuses what it cannot do", () => {
        const gone = tensor([1]);
        gone.dispose();
        const x = tensor([1, 2]);
        expectNoLeak(() => op(x));
        expect(() => op(tensor(Int32Array.of(1)))).toThrow(
          `${name} is int32, expected float32. Convert it with cast.`,
        );
        expect(() => op(gone)).toThrow(`${name} of shape [1] was disposed before`);
        expect(() => op([1, 2] as never)).toThrow(`${name} is a Array, expected a tensor`);
      });
    },
  );
});
