// Reductions over any axes. A sum is a tree: no number is the end of more than some hundred additions in a row.
import { type WgslProgram, wgslMath } from "@corenet/tensor";
import type { TensorInfo } from "@corenet/tensor/host";
import { elementType, inputOf, type KernelContext, programOf } from "./context.ts";
import { sizeOf } from "./strides.ts";

interface Reduction {
  /** WGSL: what nothing gives. */
  readonly start: string;
  /** WGSL: p and q made one. */
  readonly combine: string;
}

const reductions: Readonly<Record<string, Reduction>> = {
  Sum: { start: "0", combine: "p + q" },
  Max: { start: "-infinity()", combine: "larger(p, q)" },
  Min: { start: "infinity()", combine: "smaller(p, q)" },
};

const ROW_GROUP = 256;
const ROW_PIECE = ROW_GROUP * 64;
const COLUMN_GROUP = 64;
const COLUMN_PIECE = 128;

export function registerReductions(context: KernelContext): void {
  for (const name of Object.keys(reductions)) {
    context.define(name, (inputs, { axis, reductionIndices, keepDims }) => {
      const x = inputOf(inputs, "x");
      const axes = resolveAxes(reductionIndices ?? axis, x.shape.length);
      const shape = x.shape.flatMap((side, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [side]));
      return reduceAxes(context, name, x, axes, shape);
    });
  }
  context.define("ArgMax", (inputs, { axis }) => {
    const x = inputOf(inputs, "x");
    const [at] = resolveAxes(axis, x.shape.length) as [number];
    return argMax(context, x, at);
  });
}

function resolveAxes(axis: unknown, rank: number): number[] {
  const list = (Array.isArray(axis) ? axis : [axis]) as number[];
  return list.map((one) => (one < 0 ? one + rank : one)).sort((a, b) => a - b);
}

/**
 * Reduces neighbouring axes together, the last first.
 *
 * @param shape - of the result
 */
export function reduceAxes(
  context: KernelContext,
  name: string,
  x: TensorInfo,
  axes: readonly number[],
  shape: readonly number[],
): TensorInfo {
  let current = context.share(x, x.shape);
  const left = [...axes];
  while (left.length > 0) {
    const last = left.pop() as number;
    let first = last;
    while (left.at(-1) === first - 1) first = left.pop() as number;
    const lead = current.shape.slice(0, first);
    const tail = current.shape.slice(last + 1);
    const reduced = reduceMiddle(context, name, current, {
      A: sizeOf(lead),
      R: sizeOf(current.shape.slice(first, last + 1)),
      B: sizeOf(tail),
    });
    context.free(current);
    current = { ...reduced, shape: [...lead, ...Array<number>(last - first + 1).fill(1), ...tail] };
  }
  return { ...current, shape: [...shape] };
}

interface Sides {
  readonly A: number;
  readonly R: number;
  readonly B: number;
}

/** x [A, R, B] to [A, B]: in pieces of R where it is long. */
function reduceMiddle(context: KernelContext, name: string, x: TensorInfo, { A, R, B }: Sides): TensorInfo {
  const byRow = B < 16 && R >= 64;
  const piece = byRow ? ROW_PIECE : COLUMN_PIECE;
  const C = R > 2 * piece ? Math.ceil(R / piece) : 1;
  const y = context.output([A, C, B], x.dtype);
  const type = elementType(x.dtype);
  const program = byRow ? rowProgram(name, type) : columnProgram(name, type);
  const outputs = A * C * B;
  const workgroups = byRow ? outputs : Math.ceil(outputs / COLUMN_GROUP);
  context.run(program, { x, y }, workgroups, { outputs, R, B, C, piece: C === 1 ? R : piece });
  if (C === 1) return y;
  const total = reduceMiddle(context, name, y, { A, R: C, B });
  context.free(y);
  return total;
}

const placeCode = `
  let b = output % u.B;
  let c = output / u.B % u.C;
  let a = output / (u.B * u.C);
  let first = c * u.piece;
  let end = min(first + u.piece, u.R);
  let base = a * u.R * u.B + b;`;

const uniforms = { outputs: "u32", R: "u32", B: "u32", C: "u32", piece: "u32" } as const;

/** A workgroup for each output: for long rows that lie together. */
function rowProgram(name: string, type: string): WgslProgram {
  const { start, combine } = reductions[name] as Reduction;
  return programOf(`${name} ${type} rows`, () => ({
    reads: { x: type },
    writes: { y: type },
    uniforms,
    workgroupSize: ROW_GROUP,
    code: `${wgslMath}
var<workgroup> parts: array<${type}, ${ROW_GROUP}>;
fn combine(p: ${type}, q: ${type}) -> ${type} { return ${combine}; }
fn main(group: u32, local: u32) {
  let output = group;${placeCode}
  var total = ${type}(${start});
  for (var r = first + local; r < end; r += WORKGROUP) { total = combine(total, x[base + r * u.B]); }
  parts[local] = total;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (local < half) { parts[local] = combine(parts[local], parts[local + half]); }
    workgroupBarrier();
  }
  if (local == 0u) { y[output] = parts[0]; }
}`,
  }));
}

/** An invocation for each output: neighbours read neighbours. */
function columnProgram(name: string, type: string): WgslProgram {
  const { start, combine } = reductions[name] as Reduction;
  return programOf(`${name} ${type} columns`, () => ({
    reads: { x: type },
    writes: { y: type },
    uniforms,
    workgroupSize: COLUMN_GROUP,
    code: `${wgslMath}
fn combine(p: ${type}, q: ${type}) -> ${type} { return ${combine}; }
fn main(group: u32, local: u32) {
  let output = group * WORKGROUP + local;
  if (output >= u.outputs) { return; }${placeCode}
  var total = ${type}(${start});
  for (var r = first; r < end; r++) { total = combine(total, x[base + r * u.B]); }
  y[output] = total;
}`,
  }));
}

/** Along one axis; the first of equals. NaN is passed over, but wins where it comes first. */
function argMax(context: KernelContext, x: TensorInfo, axis: number): TensorInfo {
  const [lead, tail] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const y = context.output([...lead, ...tail], "int32");
  const R = x.shape[axis] as number;
  const B = sizeOf(tail);
  const outputs = sizeOf(lead) * B;
  const group = R < 64 ? 1 : ROW_GROUP;
  const program = programOf(`ArgMax by ${group}`, () => ({
    reads: { x: "f32" },
    writes: { y: "i32" },
    uniforms: { R: "u32", B: "u32" },
    workgroupSize: group,
    code: `${wgslMath}
var<workgroup> values: array<f32, ${group}>;
var<workgroup> places: array<u32, ${group}>;
fn main(group: u32, local: u32) {
  let base = group / u.B * u.R * u.B + group % u.B;
  var best = -infinity();
  var place = 0u;
  for (var r = local; r < u.R; r += WORKGROUP) {
    let value = x[base + r * u.B];
    if (!isNan(value) && order(value) > order(best)) {
      best = value;
      place = r;
    }
  }
  values[local] = best;
  places[local] = place;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      let here = order(values[local]);
      let there = order(values[local + half]);
      if (there > here || (there == here && places[local + half] < places[local])) {
        values[local] = values[local + half];
        places[local] = places[local + half];
      }
    }
    workgroupBarrier();
  }
  if (local == 0u) { y[group] = select(i32(places[0]), 0, isNan(x[base])); }
}`,
  }));
  context.run(program, { x, y }, outputs, { R, B });
  return y;
}
