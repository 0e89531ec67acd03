// Ops that move elements or rename axes, and compute nothing.
import { ShapeError } from "@corenet/core";
import { checkAlive, checkDType, checkRank, formatShape, resolveAxis } from "../check.ts";
import { makeTensor, runKernel, runKernelForAll } from "../raw.ts";
import { record } from "../tape.ts";
import type { DType, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Tensor5D } from "../types.ts";
import { broadcastShapes, sumToShape } from "./broadcasting.ts";

/**
 * The same elements under another shape; one side may be −1 and is computed. Costs nothing.
 *
 * @throws ShapeError when the number of elements differs
 */
export function reshape(x: Tensor, shape: readonly [number]): Tensor1D;
export function reshape(x: Tensor, shape: readonly [number, number]): Tensor2D;
export function reshape(x: Tensor, shape: readonly [number, number, number]): Tensor3D;
export function reshape(x: Tensor, shape: readonly [number, number, number, number]): Tensor4D;
export function reshape(x: Tensor, shape: readonly [number, number, number, number, number]): Tensor5D;
export function reshape(x: Tensor, shape: readonly number[]): Tensor;
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  checkAlive("reshape", x);
  const known = shape.reduce((product, side) => (side === -1 ? product : product * side), 1);
  const open = shape.filter((side) => side === -1).length;
  const full = shape.map((side) => (side === -1 ? x.size / (known || 1) : side));
  const size = full.reduce((product, side) => product * side, 1);
  if (open > 1 || size !== x.size || !full.every((side) => Number.isInteger(side) && side >= 0)) {
    throw new ShapeError(
      `reshape: ${formatShape(x.shape)} holds ${x.size} elements, expected as many in ${formatShape(shape)}. At most one side may be -1.`,
    );
  }
  const before = [...x.shape];
  return record(
    "reshape",
    [x],
    () => runKernel("Reshape", { x }, { shape: full }),
    () =>
      ([dy]) => [dy && runKernel("Reshape", { x: dy }, { shape: before })],
  );
}

/**
 * Reorders the axes: axis `i` of the result is axis `permutation[i]` of x. Without one, reverses them.
 *
 * @throws RangeError when `permutation` does not name every axis once
 */
export function transpose<T extends Tensor>(x: T, permutation?: readonly number[]): T {
  checkDType("transpose", x, "float32", "int32", "bool");
  checkRank("transpose", x.rank);
  const perm = permutation ? [...permutation] : x.shape.map((_, i) => x.rank - 1 - i);
  if (perm.length !== x.rank || !x.shape.every((_, i) => perm.includes(i))) {
    throw new RangeError(
      `transpose: the permutation is [${perm}], expected every axis of ${formatShape(x.shape)} once, as 0 to ${x.rank - 1}.`,
    );
  }
  const inverse = perm.map((_, i) => perm.indexOf(i));
  const turn = (t: Tensor, order: number[]) =>
    t.size === 0 || keepsOrder(t.shape, order)
      ? runKernel("Reshape", { x: t }, { shape: order.map((axis) => t.shape[axis]) })
      : runKernel("Transpose", { x: t }, { perm: order });
  return record(
    "transpose",
    [x],
    () => turn(x, perm) as T,
    () =>
      ([dy]) => [dy && turn(dy, inverse)],
  );
}

/** Whether the axes longer than one stay in their order, and so the elements in theirs. */
function keepsOrder(shape: readonly number[], order: readonly number[]): boolean {
  const moved = order.filter((axis) => shape[axis] !== 1);
  return moved.every((axis, i) => i === 0 || axis > (moved[i - 1] as number));
}

/**
 * Repeats x along the sides of `shape` where it has 1 or nothing.
 *
 * @throws ShapeError when x does not broadcast to `shape`
 */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  checkAlive("broadcastTo", x);
  const joint = broadcastShapes("broadcastTo", x.shape, shape);
  if (!joint.every((side, i) => side === shape[i]) || joint.length !== shape.length) {
    throw new ShapeError(`broadcastTo: ${formatShape(x.shape)} does not broadcast to ${formatShape(shape)}.`);
  }
  const padded = [...Array(shape.length - x.rank).fill(1), ...x.shape] as number[];
  const reps = shape.map((side, i) => (padded[i] === side ? 1 : side));
  return record(
    "broadcastTo",
    [x],
    () => {
      if (shape.includes(0)) return makeTensor(emptyOf(x.dtype as DType), shape, x.dtype as DType);
      const full = runKernel("Reshape", { x }, { shape: padded });
      return reps.every((rep) => rep === 1) ? full : runKernel("Tile", { x: full }, { reps });
    },
    () => {
      const before = [...x.shape];
      return ([dy]) => [dy && sumToShape(dy, before)];
    },
  );
}

/**
 * Joins tensors along an axis.
 *
 * @throws ShapeError when they differ in another axis; RangeError when there are none
 */
export function concat<T extends Tensor>(tensors: readonly T[], options: { axis?: number } = {}): T {
  const [first] = tensors;
  if (!first) throw new RangeError("concat: got no tensors, expected at least one.");
  const axis = resolveAxis("concat", options.axis ?? 0, first.rank);
  for (const t of tensors) {
    checkDType("concat: each tensor", t, first.dtype as DType);
    const fits = t.rank === first.rank && t.shape.every((side, i) => i === axis || side === first.shape[i]);
    if (fits) continue;
    throw new ShapeError(
      `concat: ${formatShape(first.shape)} and ${formatShape(t.shape)} differ outside axis ${axis}. Make all other sides equal.`,
    );
  }
  const sizes = tensors.map((t) => t.shape[axis] as number);
  return record(
    "concat",
    tensors,
    () => {
      const filled = tensors.filter((t) => t.size > 0);
      if (filled.length === 1) return runKernel("Identity", { x: filled[0] as T }) as T;
      if (filled.length === 0) {
        const side = sizes.reduce((total, size) => total + size, 0);
        const shape = first.shape.map((n, i) => (i === axis ? side : n));
        return makeTensor(emptyOf(first.dtype as DType), shape, first.dtype as DType) as T;
      }
      const inputs = Object.fromEntries(filled.map((t, i) => [i, t]));
      return runKernel("Concat", filled as unknown as typeof inputs, { axis }) as T;
    },
    () =>
      ([dy]) =>
        dy ? splitKernel(dy, sizes, axis) : [],
  );
}

/**
 * Cuts a tensor along an axis into pieces of the given sizes.
 *
 * @throws RangeError when the sizes do not add up to that side
 */
export function split<T extends Tensor>(
  x: T,
  sizes: readonly number[],
  options: { axis?: number } = {},
): T[] {
  checkDType("split", x, "float32", "int32", "bool");
  const axis = resolveAxis("split", options.axis ?? 0, x.rank);
  const side = x.shape[axis] as number;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total !== side || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    throw new RangeError(
      `split: the sizes [${sizes}] add up to ${total}, expected positive integers that add up to ${side}, axis ${axis} of ${formatShape(x.shape)}.`,
    );
  }
  return record(
    "split",
    [x],
    () => splitKernel(x, sizes, axis) as T[],
    (_, pieces) => {
      const shapes = pieces.map((piece) => [...piece.shape]);
      return (gradients) => {
        const filled = gradients.map((dy, i) => dy ?? zerosOf(shapes[i] as number[]));
        if (filled.length === 1) return [filled[0]];
        return [runKernel("Concat", filled as unknown as Record<string, Tensor>, { axis })];
      };
    },
  ) as T[];
}

/**
 * A block of a tensor: `size[i]` elements from `begin[i]` on along each axis; a size of −1 takes the rest.
 *
 * @throws RangeError when the block leaves the tensor
 */
export function slice<T extends Tensor>(x: T, begin: readonly number[], size: readonly number[]): T {
  checkDType("slice", x, "float32", "int32", "bool");
  const sizes = x.shape.map((side, i) => (size[i] === -1 ? side - (begin[i] ?? 0) : (size[i] ?? Number.NaN)));
  const inside = x.shape.every((side, i) => {
    const from = begin[i] ?? Number.NaN;
    const count = sizes[i] as number;
    return (
      Number.isInteger(from) && Number.isInteger(count) && from >= 0 && count >= 0 && from + count <= side
    );
  });
  if (!inside || begin.length !== x.rank || size.length !== x.rank) {
    throw new RangeError(
      `slice: begin [${begin}] and size [${size}] leave the shape ${formatShape(x.shape)}. Give a begin and a size inside it for every axis.`,
    );
  }
  const before = [...x.shape];
  return record(
    "slice",
    [x],
    () => {
      if (sizes.includes(0)) return makeTensor(emptyOf(x.dtype as DType), sizes, x.dtype as DType) as T;
      return runKernel("Slice", { x }, { begin: [...begin], size: sizes }) as T;
    },
    () =>
      ([dy]) => {
        if (!dy) return [];
        if (dy.size === 0) return [zerosOf(before)];
        const paddings = before.map((side, i) => [
          begin[i],
          side - (begin[i] as number) - (sizes[i] as number),
        ]);
        return [padKernel(dy, paddings as [number, number][], 0)];
      },
  );
}

/**
 * Surrounds a float32 tensor with a constant.
 *
 * @param paddings - elements to add before and after, for every axis; at most four axes
 */
export function pad<T extends Tensor>(
  x: T,
  paddings: readonly (readonly [number, number])[],
  options: { value?: number } = {},
): T {
  checkDType("pad", x, "float32");
  const valid = paddings.length === x.rank && paddings.flat().every((n) => Number.isInteger(n) && n >= 0);
  if (!valid || x.rank > 4) {
    throw new RangeError(
      `pad: got ${paddings.length} pairs [${paddings.join("; ")}] for ${formatShape(x.shape)}, expected a pair of non-negative integers for each of at most 4 axes.`,
    );
  }
  const before = [...x.shape];
  return record(
    "pad",
    [x],
    () => padKernel(x, paddings, options.value ?? 0) as T,
    () =>
      ([dy]) => [dy && runKernel("Slice", { x: dy }, { begin: paddings.map(([n]) => n), size: before })],
  );
}

/** A tensor of its own that shares the memory of x. */
export function clone<T extends Tensor>(x: T): T {
  checkAlive("clone", x);
  return record(
    "clone",
    [x],
    () => runKernel("Identity", { x }) as T,
    () =>
      ([dy]) => [dy],
  );
}

/**
 * Converts the elements: to int32 by cutting off the fraction, to bool by `x ≠ 0`, from bool to 0 and 1. Gradients
 * pass only from float32 to float32.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  checkDType("cast", x, "float32", "int32", "bool");
  return record(
    "cast",
    [x],
    () => {
      if (x.dtype === dtype) return runKernel("Identity", { x });
      if (dtype !== "bool") return runKernel("Cast", { x }, { dtype });
      const zero = makeTensor(
        x.dtype === "int32" ? Int32Array.of(0) : Float32Array.of(0),
        [],
        x.dtype as DType,
      );
      return runKernel("NotEqual", { a: x, b: zero });
    },
    () =>
      ([dy]) => [dy],
  );
}

function splitKernel(x: Tensor, sizes: readonly number[], axis: number): Tensor[] {
  if (sizes.length === 1) return [runKernel("Identity", { x })];
  return runKernelForAll("SplitV", { x }, { numOrSizeSplits: [...sizes], axis });
}

/** PadV2 of rank 5 and more is wrong on one backend; join the axes that are not padded first. */
function padKernel(
  x: Tensor,
  paddings: readonly (readonly [number, number])[],
  constantValue: number,
): Tensor {
  const shape = x.shape.map((side, i) => side + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0));
  const groups: { side: number; padding: readonly [number, number] }[] = [];
  x.shape.forEach((side, i) => {
    const padding = paddings[i] as readonly [number, number];
    const last = groups.at(-1);
    const plain = padding[0] === 0 && padding[1] === 0;
    if (last && plain && last.padding[0] === 0 && last.padding[1] === 0) last.side *= side;
    else groups.push({ side, padding });
  });
  const joined = runKernel("Reshape", { x }, { shape: groups.map((group) => group.side) });
  const padded = runKernel(
    "PadV2",
    { x: joined },
    { paddings: groups.map((group) => [...group.padding]), constantValue },
  );
  return runKernel("Reshape", { x: padded }, { shape });
}

function zerosOf(shape: readonly number[]): Tensor {
  return runKernel("Fill", {}, { shape: [...shape], value: 0, dtype: "float32" });
}

function emptyOf(dtype: DType): Float32Array | Int32Array | Uint8Array {
  if (dtype === "float32") return new Float32Array(0);
  return dtype === "int32" ? new Int32Array(0) : new Uint8Array(0);
}
