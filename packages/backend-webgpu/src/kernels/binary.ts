// Functions of two elements, with broadcasting.
import { type WgslProgram, wgslMath } from "@corenet/tensor";
import type { TensorInfo } from "@corenet/tensor/host";
import { elementType, inputOf, type KernelContext, programOf } from "./context.ts";
import { broadcastSteps, mergeAxes, sizeOf, walkCode, walkUniforms, walkValues } from "./strides.ts";

interface Binary {
  /** WGSL for the result of the elements a and b. */
  readonly code: string;
  /** The same where they are floats and may be NaN. */
  readonly floatCode?: string;
  readonly result?: "bool";
}

const comparison = (sign: string): Binary => ({
  code: `u32(a ${sign} b)`,
  floatCode: `u32(order(a) ${sign} order(b) && !isNan(a) && !isNan(b))`,
  result: "bool",
});

const binary: Readonly<Record<string, Binary>> = {
  Add: { code: "a + b" },
  Sub: { code: "a - b" },
  Multiply: { code: "a * b" },
  RealDiv: { code: "a / b" },
  Maximum: { code: "max(a, b)", floatCode: "larger(a, b)" },
  Minimum: { code: "min(a, b)", floatCode: "smaller(a, b)" },
  Equal: comparison("=="),
  NotEqual: {
    code: "u32(a != b)",
    floatCode: "u32(order(a) != order(b) || isNan(a) || isNan(b))",
    result: "bool",
  },
  Less: comparison("<"),
  LessEqual: comparison("<="),
  Greater: comparison(">"),
  GreaterEqual: comparison(">="),
  LogicalAnd: { code: "a & b", result: "bool" },
  LogicalOr: { code: "a | b", result: "bool" },
};

const GROUP = 64;

export function registerBinary(context: KernelContext): void {
  for (const [name, rule] of Object.entries(binary)) {
    context.define(name, (inputs) => {
      const [a, b] = [inputOf(inputs, "a"), inputOf(inputs, "b")];
      const shape = broadcastShape(a.shape, b.shape);
      const y = context.output(shape, rule.result ?? a.dtype);
      const size = sizeOf(shape);
      if (size > 0) applyBinary(context, name, rule, a, b, y, size);
      return y;
    });
  }
}

function applyBinary(
  context: KernelContext,
  name: string,
  rule: Binary,
  a: TensorInfo,
  b: TensorInfo,
  y: TensorInfo,
  size: number,
): void {
  const type = elementType(a.dtype);
  const to = rule.result ? "u32" : type;
  const code = (type === "f32" && rule.floatCode) || rule.code;
  const [wholeA, wholeB] = [sizeOf(a.shape) === size, sizeOf(b.shape) === size];
  if ((wholeA || sizeOf(a.shape) === 1) && (wholeB || sizeOf(b.shape) === 1)) {
    const constant = wholeB ? (wholeA ? "" : "a") : "b";
    const values = constant && context.storage.valuesAtHand((constant === "a" ? a : b).dataId);
    const program = alikeProgram(name, type, to, code, constant, Boolean(values));
    const vectors = Math.ceil(size / 4);
    const known = values ? { [constant]: values[0] as number } : {};
    const tensors = Object.fromEntries(
      Object.entries({ a, b, y }).filter(([which]) => !(values && which === constant)),
    );
    context.run(program, tensors, Math.ceil(vectors / GROUP), { vectors, ...known });
    return;
  }
  const walk = mergeAxes({
    sides: y.shape,
    steps: [broadcastSteps(a.shape, y.shape), broadcastSteps(b.shape, y.shape)],
  });
  const program = broadcastProgram(name, type, to, code, walk.sides.length);
  context.run(program, { a, b, y }, Math.ceil(size / GROUP), { size, ...walkValues(walk, ["ia", "ib"]) });
}

/**
 * Two tensors of one shape, or one and a constant, four elements at a time.
 *
 * @param constant - which of the two is one element
 * @param known - whether that element comes as a uniform, and not from memory
 */
function alikeProgram(
  name: string,
  type: "f32" | "i32" | "u32",
  to: string,
  code: string,
  constant: string,
  known: boolean,
): WgslProgram {
  return programOf(`${name} ${type} ${constant}${known ? " known" : ""}`, () => {
    const array = (which: string) => (constant === which ? type : `vec4<${type}>`);
    const load = (which: string) => {
      if (constant !== which) return `${which}[i]`;
      return `vec4<${type}>(${known ? `u.${which}` : `${which}[0]`})`;
    };
    return {
      reads: Object.fromEntries(
        ["a", "b"].filter((which) => !(known && which === constant)).map((which) => [which, array(which)]),
      ),
      writes: { y: `vec4<${to}>` },
      uniforms: { vectors: "u32", ...(known && { [constant]: type }) },
      workgroupSize: GROUP,
      code: `${wgslMath}
fn apply(a: ${type}, b: ${type}) -> ${to} { return ${code}; }
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i >= u.vectors) { return; }
  let p = ${load("a")};
  let q = ${load("b")};
  y[i] = vec4<${to}>(apply(p.x, q.x), apply(p.y, q.y), apply(p.z, q.z), apply(p.w, q.w));
}`,
    };
  });
}

function broadcastProgram(name: string, type: string, to: string, code: string, rank: number): WgslProgram {
  return programOf(`${name} ${type} rank ${rank}`, () => ({
    reads: { a: type, b: type },
    writes: { y: to },
    uniforms: { size: "u32", ...walkUniforms(rank, ["ia", "ib"]) },
    workgroupSize: GROUP,
    code: `${wgslMath}
fn apply(a: ${type}, b: ${type}) -> ${to} { return ${code}; }
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  ${walkCode(rank, ["ia", "ib"])}
  y[index] = apply(a[ia], b[ib]);
}`,
  }));
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [left, right] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    return left === 1 ? right : left;
  });
}
