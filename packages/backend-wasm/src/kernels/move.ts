// Slice, split and concat as copies of blocks within the heap; the stock slice first copies the whole source out.
import type { TensorInfo } from "@corenet/tensor/host";
import { type Attrs, bytesOf, type Inputs, type KernelContext, sizeOf } from "./context.ts";

export function slice(context: KernelContext, { x }: Inputs, attrs: Attrs): TensorInfo {
  const source = x as TensorInfo;
  const begin = attrs.begin as number[];
  const size = (attrs.size as number[]).map((n, i) =>
    n === -1 ? (source.shape[i] as number) - (begin[i] as number) : n,
  );
  const out = context.output(size, source.dtype);
  copyBox(context, source, begin, size, context.address(out));
  return out;
}

export function splitV(context: KernelContext, { x }: Inputs, attrs: Attrs): TensorInfo[] {
  const source = x as TensorInfo;
  const axis = attrs.axis as number;
  let from = 0;
  return (attrs.numOrSizeSplits as number[]).map((side) => {
    const begin = source.shape.map((_, i) => (i === axis ? from : 0));
    const size = source.shape.map((n, i) => (i === axis ? side : n));
    from += side;
    const out = context.output(size, source.dtype);
    copyBox(context, source, begin, size, context.address(out));
    return out;
  });
}

export function concat(context: KernelContext, inputs: Inputs, attrs: Attrs): TensorInfo {
  const axis = attrs.axis as number;
  const pieces = Object.values(inputs).filter((piece) => sizeOf(piece.shape) > 0);
  const first = pieces[0] as TensorInfo;
  const side = pieces.reduce((total, piece) => total + (piece.shape[axis] as number), 0);
  const shape = first.shape.map((n, i) => (i === axis ? side : n));
  const out = context.output(shape, first.dtype);
  const blocks = sizeOf(shape.slice(0, axis));
  const rowBytes = sizeOf(shape.slice(axis)) * bytesOf(first.dtype);
  let offset = context.address(out);
  for (const piece of pieces) {
    const bytes = sizeOf(piece.shape.slice(axis)) * bytesOf(piece.dtype);
    context.run("copyBlocks", context.address(piece), bytes, offset, rowBytes, blocks, bytes);
    offset += bytes;
  }
  return out;
}

/** Copies a box of `source` to a dense place: runs of the last cut axis, one call for each box of outer indices. */
function copyBox(
  context: KernelContext,
  source: TensorInfo,
  begin: number[],
  size: number[],
  to: number,
): void {
  if (sizeOf(size) === 0) return;
  const { shape } = source;
  let inner = shape.length - 1; // the innermost axis that is cut; everything behind it moves in one piece
  while (inner > 0 && size[inner] === shape[inner]) inner--;
  const itemBytes = bytesOf(source.dtype);
  const run = sizeOf(size.slice(inner)) * itemBytes;
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)) * itemBytes);
  const base = context.address(source) + begin.reduce((sum, n, i) => sum + n * (strides[i] as number), 0);
  if (inner === 0) {
    context.run("copyBlocks", base, run, to, run, 1, run);
    return;
  }
  const rows = size[inner - 1] as number;
  const outer = size.slice(0, inner - 1);
  const index = outer.map(() => 0);
  for (let box = 0, boxes = sizeOf(outer); box < boxes; box++) {
    const from = base + index.reduce((sum, n, i) => sum + n * (strides[i] as number), 0);
    context.run("copyBlocks", from, strides[inner - 1] as number, to + box * rows * run, run, rows, run);
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (outer[axis] as number)) break;
      index[axis] = 0;
    }
  }
}
