// Broadcasting copies; the stock Tile takes a microsecond for four elements.
import type { TensorInfo } from "@corenet/tensor/host";
import {
  type Attrs,
  bytesOf,
  type Inputs,
  type KernelContext,
  type StockKernel,
  sizeOf,
  workOf,
} from "./context.ts";

const MAX_RANK = 6;

/** Tile whose repeated sides are 1: a broadcast. What repeats longer sides stays with the stock kernel. */
export function tile(context: KernelContext, { x }: Inputs, attrs: Attrs, stock: StockKernel): TensorInfo {
  const source = x as TensorInfo;
  const reps = attrs.reps as number[];
  const broadcasts = reps.every((rep, i) => rep === 1 || source.shape[i] === 1);
  const known = broadcasts && bytesOf(source.dtype) === 4 && source.shape.length <= MAX_RANK;
  if (!known) return stock({ x: source }, attrs);
  return copyTo(
    context,
    source,
    source.shape.map((side, i) => side * (reps[i] as number)),
  );
}

/** `info` itself where it has the shape already, else a broadcast copy of it. */
export function expand(context: KernelContext, info: TensorInfo, shape: readonly number[]): TensorInfo {
  const same = info.shape.length === shape.length && info.shape.every((side, i) => side === shape[i]);
  return same ? info : copyTo(context, info, shape);
}

function copyTo(context: KernelContext, source: TensorInfo, shape: readonly number[]): TensorInfo {
  const out = context.output(shape, source.dtype);
  const lead = shape.length - source.shape.length;
  const sides = [...Array<number>(MAX_RANK - shape.length).fill(1), ...shape];
  const strides = shape.map((_, i) => {
    const side = source.shape[i - lead] ?? 1;
    return side === 1 ? 0 : sizeOf(source.shape.slice(i - lead + 1));
  });
  const allStrides = [...Array<number>(MAX_RANK - shape.length).fill(0), ...strides];
  const lines = sizeOf(sides.slice(0, -1));
  const [from, to] = [context.address(source), context.address(out)];
  const work = workOf(lines, sides.at(-1));
  context.parallel("stridedCopy", work, from, ...sides.slice(1), ...allStrides, to);
  return out;
}
