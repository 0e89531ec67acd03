// Rows by number, and their gradient.
import type { TensorInfo } from "@corenet/tensor/host";
import { inputOf, type KernelContext, programOf } from "./context.ts";
import { fill } from "./move.ts";
import { reduceAxes } from "./reduce.ts";
import { sizeOf } from "./strides.ts";

const GROUP = 64;

export function registerRows(context: KernelContext): void {
  context.define("GatherV2", (inputs, { axis }) => {
    const [x, indices] = [inputOf(inputs, "x"), inputOf(inputs, "indices")];
    const at = Number(axis ?? 0);
    const [lead, tail] = [x.shape.slice(0, at), x.shape.slice(at + 1)];
    const y = context.output([...lead, ...indices.shape, ...tail], x.dtype);
    const program = programOf("gather", () => ({
      reads: { x: "u32", indices: "i32" },
      writes: { y: "u32" },
      uniforms: { size: "u32", count: "u32", ids: "u32", row: "u32" },
      workgroupSize: GROUP,
      checks: "gather: an id",
      code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let id = indices[index / u.row % u.ids];
  if (id < 0 || u32(id) >= u.count) {
    outOfRange(id, u.count);
    y[index] = 0u;
    return;
  }
  let lead = index / (u.row * u.ids);
  y[index] = x[(lead * u.count + u32(id)) * u.row + index % u.row];
}`,
    }));
    const size = sizeOf(y.shape);
    const uniforms = { size, count: x.shape[at] as number, ids: sizeOf(indices.shape), row: sizeOf(tail) };
    context.run(program, { x, indices, y }, Math.ceil(size / GROUP), uniforms);
    return y;
  });

  context.define("UnsortedSegmentSum", (inputs, { numSegments }) => {
    const [x, ids] = [inputOf(inputs, "x"), inputOf(inputs, "segmentIds")];
    const count = Number(numSegments);
    return count <= FEW ? sumIntoFew(context, x, ids, count) : sumIntoMany(context, x, ids, count);
  });

  context.define("OneHot", (inputs, { depth, onValue, offValue }) => {
    const indices = inputOf(inputs, "indices");
    const y = context.output([...indices.shape, Number(depth)], "int32");
    const program = programOf("oneHot", () => ({
      reads: { indices: "i32" },
      writes: { y: "i32" },
      uniforms: { size: "u32", depth: "u32", on: "i32", off: "i32" },
      workgroupSize: GROUP,
      code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  y[index] = select(u.off, u.on, indices[index / u.depth] == i32(index % u.depth));
}`,
    }));
    const size = sizeOf(y.shape);
    const uniforms = { size, depth: Number(depth), on: Number(onValue), off: Number(offValue) };
    context.run(program, { indices, y }, Math.ceil(size / GROUP), uniforms);
    return y;
  });
}

const FEW = 32; // segments, up to which every segment may look at every row
const PIECE = 128; // rows that one invocation adds up

/** Every segment looks at all rows, in pieces: [pieces, count, row], summed over the pieces. */
function sumIntoFew(context: KernelContext, x: TensorInfo, ids: TensorInfo, count: number): TensorInfo {
  const rows = ids.shape[0] as number;
  const row = x.shape.slice(1);
  const width = sizeOf(row);
  const pieces = Math.max(1, Math.ceil(rows / PIECE));
  const parts = context.output([pieces, count, ...row], "float32");
  const program = programOf("segmentSum, few", () => ({
    reads: { x: "f32", ids: "i32" },
    writes: { y: "f32" },
    uniforms: { size: "u32", rows: "u32", count: "u32", width: "u32" },
    workgroupSize: GROUP,
    checks: "segmentSum: an id",
    code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let column = index % u.width;
  let segment = i32(index / u.width % u.count);
  let first = index / (u.width * u.count) * ${PIECE}u;
  var total = 0.0;
  for (var i = first; i < min(first + ${PIECE}u, u.rows); i++) {
    let id = ids[i];
    if (id == segment) { total += x[i * u.width + column]; }
    if (id < 0 || u32(id) >= u.count) { outOfRange(id, u.count); }
  }
  y[index] = total;
}`,
  }));
  const size = sizeOf(parts.shape);
  context.run(program, { x, ids, y: parts }, Math.ceil(size / GROUP), { size, rows, count, width });
  const y = reduceAxes(context, "Sum", parts, [0], [count, ...row]);
  context.free(parts);
  return y;
}

/**
 * Links each row to the next one of its segment; the first of each segment then walks its chain. Without atomics, so
 * that the order of the additions, and with it every bit, is the same in each run.
 */
function sumIntoMany(context: KernelContext, x: TensorInfo, ids: TensorInfo, count: number): TensorInfo {
  const rows = ids.shape[0] as number;
  const row = x.shape.slice(1);
  const width = sizeOf(row);
  const y = context.output([count, ...row], "float32");
  fill(context, y, 0);
  if (rows === 0) return y;
  const links = context.output([2, rows], "int32");
  const link = programOf("segmentSum, links", () => ({
    reads: { ids: "i32" },
    writes: { links: "u32" },
    uniforms: { rows: "u32", count: "u32" },
    workgroupSize: GROUP,
    checks: "segmentSum: an id",
    code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i >= u.rows) { return; }
  let id = ids[i];
  let inside = id >= 0 && u32(id) < u.count;
  if (!inside) { outOfRange(id, u.count); }
  var next = i + 1u;
  while (next < u.rows && ids[next] != id) { next++; }
  var before = i;
  while (before > 0u && ids[before - 1u] != id) { before--; }
  links[i] = next;
  links[u.rows + i] = u32(inside && before == 0u);
}`,
  }));
  context.run(link, { ids, links }, Math.ceil(rows / GROUP), { rows, count });
  const sum = programOf("segmentSum, chains", () => ({
    reads: { x: "f32", ids: "i32", links: "u32" },
    writes: { y: "f32" },
    uniforms: { rows: "u32", width: "u32" },
    workgroupSize: GROUP,
    code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  let first = index / u.width;
  if (first >= u.rows || links[u.rows + first] == 0u) { return; }
  let column = index % u.width;
  var total = 0.0;
  for (var i = first; i < u.rows; i = links[i]) { total += x[i * u.width + column]; }
  y[u32(ids[first]) * u.width + column] = total;
}`,
  }));
  context.run(sum, { x, ids, links, y }, Math.ceil((rows * width) / GROUP), { rows, width });
  context.free(links);
  return y;
}
