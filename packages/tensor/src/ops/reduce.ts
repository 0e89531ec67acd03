// Reductions over axes, and the softmax family.
import { checkDType, formatShape, resolveAxis } from "../check.ts";
import { runKernel } from "../raw.ts";
import { record } from "../tape.ts";
import type { Tensor } from "../types.ts";
import { sumAxes } from "./broadcasting.ts";
import { broadcastTo } from "./shape.ts";

export interface ReduceOptions {
  /** Which axes to reduce; all of them where nothing is said. Negative ones count from the last. */
  axis?: number | readonly number[];
  /** Whether the reduced axes stay as sides of 1. @default false */
  keepDims?: boolean;
}

interface Reduction {
  readonly axes: number[];
  /** The shape with the reduced sides as 1. */
  readonly kept: number[];
  /** The shape of the result. */
  readonly shape: number[];
  /** How many elements go into one. */
  readonly count: number;
}

function planReduction(who: string, x: Tensor, { axis, keepDims = false }: ReduceOptions): Reduction {
  const list = axis === undefined ? x.shape.map((_, i) => i) : typeof axis === "number" ? [axis] : [...axis];
  const axes = [...new Set(list.map((one) => resolveAxis(who, one, x.rank)))].sort((a, b) => a - b);
  const kept = x.shape.map((side, i) => (axes.includes(i) ? 1 : side));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !axes.includes(i));
  const count = axes.reduce((product, i) => product * (x.shape[i] as number), 1);
  return { axes, kept, shape, count };
}

const reshaped = (x: Tensor, shape: readonly number[]): Tensor =>
  runKernel("Reshape", { x }, { shape: [...shape] });
const constant = (value: number): Tensor => runKernel("Fill", {}, { shape: [], value, dtype: "float32" });

/** The sum over `axis`, accumulated exactly enough for millions of terms. The sum of nothing is 0. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkDType("sum", x, "float32", "int32");
  const { axes, kept, shape } = planReduction("sum", x, options);
  const before = [...x.shape];
  return record(
    "sum",
    [x],
    () => reshaped(axes.length ? sumAxes(x, axes) : x, shape),
    () =>
      ([dy]) => [dy && broadcastTo(reshaped(dy, kept), before)],
  );
}

/**
 * The arithmetic mean over `axis`.
 *
 * @throws RangeError when there is nothing to average
 */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkDType("mean", x, "float32");
  const { axes, kept, shape, count } = planReduction("mean", x, options);
  checkNotEmpty("mean", x, count);
  const before = [...x.shape];
  const scaled = (t: Tensor) => runKernel("Multiply", { a: t, b: constant(1 / count) });
  return record(
    "mean",
    [x],
    () => reshaped(scaled(axes.length ? sumAxes(x, axes) : x), shape),
    () =>
      ([dy]) => [dy && broadcastTo(scaled(reshaped(dy, kept)), before)],
  );
}

/**
 * The largest element along `axis`. Elements that tie share the gradient equally.
 *
 * @throws RangeError when there is nothing to choose from
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme("max", "Max", x, options);
}

/** The smallest element along `axis`. See `max`. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme("min", "Min", x, options);
}

function extreme(name: string, kernel: string, x: Tensor, options: ReduceOptions): Tensor {
  checkDType(name, x, "float32");
  const { axes, kept, shape, count } = planReduction(name, x, options);
  checkNotEmpty(name, x, count);
  return record(
    name,
    [x],
    () => reshaped(runKernel(kernel, { x }, { axis: axes, reductionIndices: axes, keepDims: false }), shape), // Min reads the former, Max the latter
    ({ save }, y) => {
      const [input, output] = [save(x), save(y)];
      return ([dy]) => {
        if (!dy) return [];
        const hits = runKernel(
          "Cast",
          { x: runKernel("Equal", { a: input, b: reshaped(output, kept) }) },
          { dtype: "float32" },
        );
        const ties = reshaped(sumAxes(hits, axes), kept);
        const each = runKernel("RealDiv", { a: reshaped(dy, kept), b: ties });
        return [runKernel("Multiply", { a: hits, b: each })];
      };
    },
  );
}

/**
 * The position of the largest element along one axis, as int32; the first of equals. NaN is passed over, except in
 * the first place.
 *
 * @throws RangeError when there is nothing to choose from
 */
export function argMax(x: Tensor, options: { axis?: number } = {}): Tensor {
  checkDType("argMax", x, "float32");
  const axis = resolveAxis("argMax", options.axis ?? -1, x.rank);
  checkNotEmpty("argMax", x, x.shape[axis] as number);
  const shape = x.shape.filter((_, i) => i !== axis);
  return record(
    "argMax",
    [x],
    () => reshaped(runKernel("ArgMax", { x }, { axis }), shape),
    () => () => [],
  );
}

/** exp(x) over its sum along the last axis: rows of probabilities. */
export function softmax<T extends Tensor>(x: T): T {
  checkDType("softmax", x, "float32");
  const last = x.rank - 1;
  checkNotEmpty("softmax", x, x.shape[last] ?? 0);
  return record(
    "softmax",
    [x],
    () =>
      (x.size === 0 ? runKernel("Identity", { x }) : runKernel("Softmax", { logits: x }, { dim: last })) as T,
    ({ save }, y) => {
      const p = save(y);
      return ([dy]) => {
        if (!dy) return [];
        const weighted = runKernel("Multiply", { a: dy, b: p });
        const total = reshaped(sumAxes(weighted, [last]), [...p.shape.slice(0, -1), 1]);
        return [runKernel("Sub", { a: weighted, b: runKernel("Multiply", { a: p, b: total }) })];
      };
    },
  );
}

/** log Σ exp(x) along the last axis, without overflow: [..., N] to [...]. */
export function logSumExp(x: Tensor): Tensor {
  checkDType("logSumExp", x, "float32");
  const last = x.rank - 1;
  checkNotEmpty("logSumExp", x, x.shape[last] ?? 0);
  const column = [...x.shape.slice(0, -1), 1];
  return record(
    "logSumExp",
    [x],
    () => {
      const top = reshaped(runKernel("Max", { x }, { reductionIndices: [last], keepDims: false }), column);
      const total = sumAxes(runKernel("Exp", { x: runKernel("Sub", { a: x, b: top }) }), [last]);
      return runKernel("Add", { a: runKernel("Log", { x: total }), b: reshaped(top, total.shape) });
    },
    ({ save }) => {
      const logits = save(x);
      return ([dy]) => {
        if (!dy) return [];
        const p = runKernel("Softmax", { logits }, { dim: last });
        return [runKernel("Multiply", { a: p, b: reshaped(dy, column) })];
      };
    },
  );
}

function checkNotEmpty(who: string, x: Tensor, count: number): void {
  if (count > 0) return;
  throw new RangeError(
    `${who}: ${formatShape(x.shape)} has nothing to reduce, expected at least one element an axis.`,
  );
}
