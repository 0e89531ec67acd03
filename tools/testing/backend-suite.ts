import {
  activeBackend,
  add,
  argMax,
  type Backend,
  broadcastTo,
  cast,
  clone,
  concat,
  div,
  equal,
  exp,
  gather,
  isFinite as isFiniteEach,
  less,
  log,
  logicalAnd,
  logicalNot,
  logSumExp,
  matMul,
  max,
  maximum,
  mean,
  memory,
  min,
  mul,
  oneHot,
  pad,
  readData,
  relu,
  reshape,
  rsqrt,
  segmentSum,
  sigmoid,
  silu,
  slice,
  softmax,
  split,
  square,
  sub,
  sum,
  type Tensor,
  takeData,
  tanh,
  tensor,
  tidy,
  transpose,
  useBackend,
  valueAndGrad,
  where,
} from "@corenet/tensor";
import { engine } from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Expected } from "./all-close.ts";
import { expectNoLeak } from "./expect-no-leak.ts";
import { isSelected } from "./on-every-backend.ts";

const ids = (...list: number[]): Tensor => tensor(Int32Array.from(list));
const bools = (...list: number[]): Tensor => tensor(Uint8Array.from(list));
const matrix = (): Tensor =>
  tensor([
    [1, -2, 3],
    [-4, 5, -6],
  ]);
const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** One line an op: what it is given, and what comes out, worked out by hand. */
// biome-ignore-start format: one line an op
const sample: [name: string, run: () => Tensor, expected: Expected][] = [
  [
    "add",
    () => add(matrix(), tensor([1, 2, 3])),
    [
      [2, 0, 6],
      [-3, 7, -3],
    ],
  ],
  ["add int32", () => add(ids(16777216, -1), ids(1, 1)), [16777217, 0]],
  [
    "sub",
    () => sub(matrix(), tensor([[1], [2]])),
    [
      [0, -3, 2],
      [-6, 3, -8],
    ],
  ],
  [
    "mul",
    () => mul(matrix(), 0.5),
    [
      [0.5, -1, 1.5],
      [-2, 2.5, -3],
    ],
  ],
  ["div", () => div(tensor([1, -1, 0]), 0), [inf, -inf, nan]],
  ["maximum", () => maximum(tensor([1, nan, 3]), tensor([2, 2, nan])), [2, nan, nan]],
  [
    "square",
    () => square(matrix()),
    [
      [1, 4, 9],
      [16, 25, 36],
    ],
  ],
  ["rsqrt", () => rsqrt(tensor([4, 0.25])), [0.5, 2]],
  ["exp", () => exp(tensor([0, 1, -inf])), [1, Math.E, 0]],
  ["log", () => log(tensor([1, 0, -1])), [0, -inf, nan]],
  ["tanh", () => tanh(tensor([-100, 0, 0.5])), [-1, 0, Math.tanh(0.5)]],
  ["sigmoid", () => sigmoid(tensor([-100, 0, 3])), [0, 0.5, logistic(3)]],
  ["silu", () => silu(tensor([-1, 0, 2])), [-logistic(-1), 0, 2 * logistic(2)]],
  [
    "relu",
    () => relu(matrix()),
    [
      [1, 0, 3],
      [0, 5, 0],
    ],
  ],
  ["sum", () => sum(matrix(), { axis: 0 }), [-3, 3, -3]],
  ["mean", () => mean(matrix()), -0.5],
  ["max", () => max(matrix(), { axis: 1 }), [3, 5]],
  ["min", () => min(matrix(), { axis: -2, keepDims: true }), [[-4, -2, -6]]],
  ["argMax", () => argMax(matrix()), [2, 1]],
  [
    "softmax",
    () =>
      softmax(
        tensor([
          [0, 0],
          [1000, -1000],
        ]),
      ),
    [
      [0.5, 0.5],
      [1, 0],
    ],
  ],
  ["logSumExp", () => logSumExp(tensor([1000, 1000])), 1000 + Math.LN2],
  [
    "matMul",
    () => matMul(matrix(), matrix(), { transposeB: true }),
    [
      [14, -32],
      [-32, 77],
    ],
  ],
  [
    "matMul, two batches that broadcast",
    () => matMul(tensor([1, 2], [2, 1, 1, 1]), tensor([3, 5], [1, 2, 1, 1])),
    [
      [[[3]], [[5]]],
      [[[6]], [[10]]],
    ],
  ],
  ["matMul, K = 0", () => matMul(tensor([], [2, 0]), tensor([], [0, 1])), [[0], [0]]],
  ["equal", () => equal(ids(16777217), ids(16777216)), [0]],
  ["less", () => less(tensor([1, nan]), 2), [1, 0]],
  ["logicalAnd", () => logicalAnd(bools(1, 1), bools(0, 1)), [0, 1]],
  ["logicalNot", () => logicalNot(bools(1, 0)), [0, 1]],
  ["isFinite", () => isFiniteEach(tensor([1, nan, -inf])), [1, 0, 0]],
  [
    "where",
    () => where(bools(1, 0), tensor([[1], [2]]), 9),
    [
      [1, 9],
      [2, 9],
    ],
  ],
  [
    "gather",
    () => gather(matrix(), ids(1, 0, 1)),
    [
      [-4, 5, -6],
      [1, -2, 3],
      [-4, 5, -6],
    ],
  ],
  [
    "segmentSum",
    () => segmentSum(matrix(), ids(2, 2), 3),
    [
      [0, 0, 0],
      [0, 0, 0],
      [-3, 3, -3],
    ],
  ],
  [
    "oneHot",
    () => oneHot(ids(1, 5), 2),
    [
      [0, 1],
      [0, 0],
    ],
  ],
  [
    "reshape",
    () => reshape(matrix(), [3, -1]),
    [
      [1, -2],
      [3, -4],
      [5, -6],
    ],
  ],
  [
    "transpose",
    () => transpose(matrix()),
    [
      [1, -4],
      [-2, 5],
      [3, -6],
    ],
  ],
  [
    "transpose int32 of rank 3",
    () => transpose(tensor(Int32Array.of(16777217, 2, 3, 4), [1, 2, 2]), [2, 1, 0]),
    [
      [[16777217], [3]],
      [[2], [4]],
    ],
  ],
  [
    "slice",
    () => slice(matrix(), [0, 1], [-1, 2]),
    [
      [-2, 3],
      [5, -6],
    ],
  ],
  [
    "split",
    () => split(matrix(), [1, 2], { axis: 1 })[1] as Tensor,
    [
      [-2, 3],
      [5, -6],
    ],
  ],
  [
    "concat",
    () => concat([matrix(), matrix()], { axis: 1 }),
    [
      [1, -2, 3, 1, -2, 3],
      [-4, 5, -6, -4, 5, -6],
    ],
  ],
  ["pad", () => pad(tensor([1]), [[1, 2]], { value: 7 }), [7, 1, 7, 7]],
  [
    "broadcastTo",
    () => broadcastTo(ids(16777217), [2, 2]),
    [
      [16777217, 16777217],
      [16777217, 16777217],
    ],
  ],
  ["cast to bool", () => cast(tensor([0.5, 2, 256, -1, 0]), "bool"), [1, 1, 1, 1, 0]],
  ["cast to int32", () => cast(tensor([2.9, -2.9]), "int32"), [2, -2]],
  ["clone", () => clone(bools(1, 0)), [1, 0]],
];
// biome-ignore-end format: one line an op

/**
 * What every `Backend` must do. Apply it in a file of its own, to a factory as users call it.
 *
 * @param create - a new value each time, as in `() => wasm()`
 */
export function describeBackend(name: string, create: () => Backend): void {
  if (!isSelected(name)) return;
  describe(`the backend ${name}`, () => {
    beforeAll(async () => {
      await useBackend(create());
    });
    beforeEach(() => engine().startScope("test"));
    afterEach(() => engine().endScope());

    test("is a value: making one starts nothing", () => {
      expect(create().name).toBe(name);
      expect(create()).not.toBe(create());
    });

    test("starts, and is then the active one", () => {
      expect(activeBackend().name).toBe(name);
    });

    test("starts twice: tensors made before keep their values and their memory", async () => {
      const x = tensor([1, 2, 3]);
      const before = activeBackend();
      await useBackend(create());
      expect(activeBackend().wasm).toBe(before.wasm);
      await expect(mul(x, 2)).toBeAllClose([2, 4, 6]);
      const [one, two] = await Promise.all([useBackend(create()), useBackend(create())]);
      expect(one.name).toBe(two.name);
    });

    test.skipIf(typeof process === "undefined")("leaves the process as it was", async () => {
      const events = ["uncaughtException", "unhandledRejection"] as const;
      const count = () => events.map((event) => process.listenerCount(event));
      const before = count();
      await useBackend(create());
      expect(count()).toEqual(before);
    });

    test.each(sample)("%s", async (_, run, expected) => {
      await expect(run()).toBeAllClose(expected);
    });

    test("reads back every dtype to the bit, and editing that changes nothing", async () => {
      const floats = Float32Array.of(nan, inf, -0, 1e-40, 3.4e38);
      const x = tensor(floats);
      const first = await readData(x);
      expect(first).toEqual(floats);
      first.fill(7);
      expect(await readData(x)).toEqual(floats);
      expect(await takeData(ids(16777217, -(2 ** 31)), "int32")).toEqual(Int32Array.of(16777217, -(2 ** 31)));
      expect(await takeData(bools(1, 0), "bool")).toEqual(Uint8Array.of(1, 0));
    });

    test("a training step frees all but the value and the gradients", async () => {
      const params = {
        table: tensor([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
        w: tensor([
          [1, -1],
          [0.5, 2],
        ]),
      };
      const loss = (p: typeof params) =>
        mean(square(softmax(matMul(relu(gather(p.table, ids(0, 2, 0))), p.w, { transposeB: true }))));
      const scoped = () => tidy(() => valueAndGrad(loss, params));
      expectNoLeak(scoped);
      const before = memory();
      for (let i = 0; i < 10; i++) {
        const { value, grads } = scoped();
        for (const t of [value, grads.table, grads.w]) t.dispose();
      }
      expect(memory()).toEqual(before);
      await expect(scoped().grads.table).not.toBeAllClose([
        [0, 0],
        [0, 0],
        [0, 0],
      ]);
    });

    test("wrong arguments are named before a kernel sees them, and leave it working", async () => {
      const gone = tensor([1]);
      gone.dispose();
      expect(() => add(gone, 1)).toThrow("was disposed before");
      expect(() => matMul(matrix(), matrix())).toThrow("3 columns meet 2 rows");
      expect(() => add(matrix(), tensor([1, 2]))).toThrow("do not broadcast");
      await expect(add(matrix(), 0)).toBeAllClose(matrix());
    });
  });
}
