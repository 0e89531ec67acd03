// Sums in double precision, over any axes and without transposing; the stock kernel adds in one float.
import type { TensorInfo } from "@corenet/tensor/host";
import { type Attrs, type Inputs, type KernelContext, type StockKernel, sizeOf, workOf } from "./context.ts";

/** Sum over neighbouring axes at a time, the last first: [outer, K, inner] to [outer, inner]. */
export function sum(context: KernelContext, { x }: Inputs, attrs: Attrs, stock: StockKernel): TensorInfo {
  const source = x as TensorInfo;
  if (source.dtype !== "float32") return stock({ x: source }, attrs);
  const axes = [...(attrs.axis as number[])].sort((a, b) => a - b);
  let current = source;
  while (axes.length > 0) {
    const last = axes.pop() as number;
    let first = last;
    while (axes.length > 0 && axes.at(-1) === first - 1) first = axes.pop() as number;
    const next = sumRun(context, current, first, last);
    if (current !== source) context.backend.disposeData(current.dataId);
    current = next;
  }
  return current;
}

function sumRun(context: KernelContext, x: TensorInfo, first: number, last: number): TensorInfo {
  const outer = x.shape.slice(0, first);
  const inner = x.shape.slice(last + 1);
  const K = sizeOf(x.shape.slice(first, last + 1));
  const out = context.output([...outer, ...inner], "float32");
  const [from, to, rows, columns] = [context.address(x), context.address(out), sizeOf(outer), sizeOf(inner)];
  const work = workOf(rows, K * columns);
  if (columns === 1) context.parallel("sumRows", work, from, K, to);
  else context.parallel("sumColumns", work, from, K, columns, to);
  return out;
}
