// What moves elements and computes nothing. All of it works on the 32 bits of an element, so every dtype is exact.
import type { TensorInfo } from "@corenet/tensor/host";
import { elementType, inputOf, type KernelContext, programOf } from "./context.ts";
import {
  broadcastSteps,
  mergeAxes,
  sizeOf,
  stepsOf,
  type Walk,
  walkCode,
  walkUniforms,
  walkValues,
} from "./strides.ts";

const GROUP = 64;

/** Which of the two tensors the walk steps through; the other is read or written from its start on. */
type Walked = "source" | "target";

/** target[i] = source[offset + walk(i)] or target[offset + walk(i)] = source[i], for every element of the walk. */
function moveAlong(
  context: KernelContext,
  source: TensorInfo,
  target: TensorInfo,
  { walk, offset, walked }: { walk: Walk; offset: number; walked: Walked },
): void {
  const { sides, steps } = mergeAxes(walk);
  const rank = sides.length;
  const program = programOf(`move along the ${walked}, rank ${rank}`, () => ({
    reads: { x: "u32" },
    writes: { y: "u32" },
    uniforms: { size: "u32", offset: "u32", ...walkUniforms(rank, ["at"]) },
    workgroupSize: GROUP,
    code: `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  ${walkCode(rank, ["at"])}
  ${walked === "source" ? "y[index] = x[u.offset + at];" : "y[u.offset + at] = x[index];"}
}`,
  }));
  const size = sizeOf(walk.sides);
  const uniforms = { size, offset, ...walkValues({ sides, steps }, ["at"]) };
  context.run(program, { x: source, y: target }, Math.ceil(size / GROUP), uniforms);
}

/** Writes one value everywhere. */
export function fill(context: KernelContext, target: TensorInfo, value: number): void {
  const type = elementType(target.dtype);
  const program = programOf(`fill ${type}`, () => ({
    reads: {},
    writes: { y: `vec4<${type}>` },
    uniforms: { vectors: "u32", value: type },
    workgroupSize: GROUP,
    code: `
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i < u.vectors) { y[i] = vec4<${type}>(u.value); }
}`,
  }));
  const vectors = Math.ceil(sizeOf(target.shape) / 4);
  context.run(program, { y: target }, Math.ceil(vectors / GROUP), { vectors, value });
}

function block(
  context: KernelContext,
  x: TensorInfo,
  begin: readonly number[],
  size: readonly number[],
): TensorInfo {
  const steps = stepsOf(x.shape);
  const y = context.output(size, x.dtype);
  const offset = begin.reduce((total, from, i) => total + from * (steps[i] as number), 0);
  moveAlong(context, x, y, { walk: { sides: size, steps: [steps] }, offset: offset, walked: "source" });
  return y;
}

export function registerMoves(context: KernelContext): void {
  const { define, output, share } = context;

  define("Identity", (inputs) => {
    const x = inputOf(inputs, "x");
    return share(x, x.shape);
  });
  define("Reshape", (inputs, { shape }) => share(inputOf(inputs, "x"), shape as number[]));

  define("Fill", (_, { shape, value, dtype }) => {
    const y = output(shape as number[], String(dtype ?? "float32"));
    fill(context, y, Number(value));
    return y;
  });
  define("ZerosLike", (inputs) => {
    const x = inputOf(inputs, "x");
    const y = output(x.shape, x.dtype);
    fill(context, y, 0);
    return y;
  });

  define("Transpose", (inputs, { perm }) => {
    const x = inputOf(inputs, "x");
    const order = perm as number[];
    const steps = stepsOf(x.shape);
    const sides = order.map((axis) => x.shape[axis] as number);
    const y = output(sides, x.dtype);
    moveAlong(context, x, y, {
      walk: { sides, steps: [order.map((axis) => steps[axis] as number)] },
      offset: 0,
      walked: "source",
    });
    return y;
  });

  define("Tile", (inputs, { reps }) => {
    const x = inputOf(inputs, "x");
    const sides = x.shape.flatMap((side, i) => [(reps as number[])[i] as number, side]); // each repeat an axis of its own
    const steps = stepsOf(x.shape).flatMap((step) => [0, step]);
    const y = output(
      x.shape.map((side, i) => side * ((reps as number[])[i] as number)),
      x.dtype,
    );
    moveAlong(context, x, y, { walk: { sides, steps: [steps] }, offset: 0, walked: "source" });
    return y;
  });

  define("Slice", (inputs, { begin, size }) => {
    const x = inputOf(inputs, "x");
    const from = begin as number[];
    const sides = (size as number[]).map((side, i) =>
      side === -1 ? (x.shape[i] as number) - (from[i] as number) : side,
    );
    return block(context, x, from, sides);
  });

  define("SplitV", (inputs, { numOrSizeSplits, axis }) => {
    const x = inputOf(inputs, "x");
    let from = 0;
    return (numOrSizeSplits as number[]).map((side) => {
      const begin = x.shape.map((_, i) => (i === axis ? from : 0));
      from += side;
      return block(
        context,
        x,
        begin,
        x.shape.map((n, i) => (i === axis ? side : n)),
      );
    });
  });

  define("Concat", (inputs, { axis }) => {
    const parts = Object.values(inputs);
    const first = parts[0] as TensorInfo;
    const side = parts.reduce((total, part) => total + (part.shape[axis as number] as number), 0);
    const y = output(
      first.shape.map((n, i) => (i === axis ? side : n)),
      first.dtype,
    );
    const steps = stepsOf(y.shape);
    let from = 0;
    for (const part of parts) {
      const offset = from * (steps[axis as number] as number);
      moveAlong(context, part, y, {
        walk: { sides: part.shape, steps: [steps] },
        offset: offset,
        walked: "target",
      });
      from += part.shape[axis as number] as number;
    }
    return y;
  });

  define("PadV2", (inputs, { paddings, constantValue }) => {
    const x = inputOf(inputs, "x");
    const pairs = paddings as [number, number][];
    const y = output(
      x.shape.map((side, i) => side + (pairs[i]?.[0] ?? 0) + (pairs[i]?.[1] ?? 0)),
      x.dtype,
    );
    fill(context, y, Number(constantValue));
    const steps = stepsOf(y.shape);
    const offset = pairs.reduce((total, [before], i) => total + before * (steps[i] as number), 0);
    moveAlong(context, x, y, { walk: { sides: x.shape, steps: [steps] }, offset: offset, walked: "target" });
    return y;
  });

  define("Select", (inputs) => {
    const [condition, t, e] = ["condition", "t", "e"].map((name) => inputOf(inputs, name)) as [
      TensorInfo,
      TensorInfo,
      TensorInfo,
    ];
    const y = output(t.shape, t.dtype);
    const size = sizeOf(t.shape);
    const walk = mergeAxes({ sides: t.shape, steps: [broadcastSteps(condition.shape, t.shape)] });
    const rank = walk.sides.length;
    const program = programOf(`select rank ${rank}`, () => ({
      reads: { condition: "u32", t: "u32", e: "u32" },
      writes: { y: "u32" },
      uniforms: { size: "u32", ...walkUniforms(rank, ["at"]) },
      workgroupSize: GROUP,
      code: `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  ${walkCode(rank, ["at"])}
  y[index] = select(e[index], t[index], condition[at] != 0u);
}`,
    }));
    const uniforms = { size, ...walkValues(walk, ["at"]) };
    context.run(program, { condition, t, e, y }, Math.ceil(size / GROUP), uniforms);
    return y;
  });
}
