// Rows picked by id, and rows added up by id: the embedding and its gradient. The latter has no stock kernel.
import type { TensorInfo } from "@corenet/tensor/host";
import { type Attrs, bytesOf, type Inputs, type KernelContext, sizeOf, workOf } from "./context.ts";

/** GatherV2 along axis 0; ids were checked by the op. */
export function gatherV2(context: KernelContext, { x, indices }: Inputs, _attrs: Attrs): TensorInfo {
  const [table, ids] = [x as TensorInfo, indices as TensorInfo];
  const row = table.shape.slice(1);
  const rowBytes = sizeOf(row) * bytesOf(table.dtype);
  const out = context.output([...ids.shape, ...row], table.dtype);
  const [from, which, to] = [context.address(table), context.address(ids), context.address(out)];
  context.parallel("gatherRows", workOf(sizeOf(ids.shape), sizeOf(row)), from, which, rowBytes, to);
  return out;
}

export function unsortedSegmentSum(
  context: KernelContext,
  { x, segmentIds }: Inputs,
  attrs: Attrs,
): TensorInfo {
  const [rows, ids] = [x as TensorInfo, segmentIds as TensorInfo];
  const segments = attrs.numSegments as number;
  const row = rows.shape.slice(1);
  const out = context.output([segments, ...row], "float32");
  const [from, which, to] = [context.address(rows), context.address(ids), context.address(out)];
  context.run("segmentSum", from, which, sizeOf(ids.shape), sizeOf(row), to, segments);
  return out;
}
