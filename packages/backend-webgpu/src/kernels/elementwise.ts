// Functions of one element, and conversions between dtypes.
import { type WgslProgram, wgslMath } from "@corenet/tensor";
import type { TensorInfo } from "@corenet/tensor/host";
import { elementType, inputOf, type KernelContext, programOf } from "./context.ts";
import { sizeOf } from "./strides.ts";

interface Unary {
  /** WGSL for the result of one element x. */
  readonly code: string;
  readonly result?: "bool";
}

const unary: Readonly<Record<string, Unary>> = {
  Neg: { code: "negated(x)" },
  Abs: { code: "bitcast<f32>(bitsOf(x) & 0x7fffffffu)" },
  Sign: { code: "select(f32(sign(order(x))), x, isNan(x))" },
  Square: { code: "x * x" },
  Sqrt: { code: "select(sqrt(x), nan(), isBelowZero(x))" },
  Rsqrt: { code: "select(1.0 / sqrt(x), nan(), isBelowZero(x))" },
  Exp: { code: "exponential(x)" },
  Log: { code: "logarithm(x)" },
  Tanh: { code: "hyperbolicTangent(x)" },
  Sigmoid: { code: "logistic(x)" },
  Relu: { code: "select(x, 0.0, isBelowZero(x))" },
  IsFinite: { code: "u32(isNumber(x))", result: "bool" },
  LogicalNot: { code: "1u - x", result: "bool" },
};

const casts: Readonly<Record<string, string>> = {
  "float32 int32": "toInteger(x)",
  "float32 bool": "u32(order(x) != 0)",
  "int32 float32": "f32(x)",
  "int32 bool": "u32(x != 0)",
  "bool float32": "f32(x)",
  "bool int32": "i32(x)",
};

/** The integer part modulo 2³², as JavaScript has it, and 0 for what is no number; WGSL leaves that to the driver. */
const toIntegerCode = /* wgsl */ `
fn toInteger(x: f32) -> i32 {
  let bits = bitcast<u32>(x);
  let exponent = i32((bits >> 23u) & 0xffu) - 127;
  if (exponent < 0 || exponent > 54) { return 0; }
  let mantissa = (bits & 0x7fffffu) | 0x800000u;
  var size = 0u;
  if (exponent <= 23) { size = mantissa >> u32(23 - exponent); } else { size = mantissa << u32(exponent - 23); }
  return select(i32(size), -i32(size), (bits >> 31u) == 1u);
}`;

const GROUP = 64;

function elementwiseProgram(key: string, from: string, to: string, code: string): WgslProgram {
  return programOf(key, () => ({
    reads: { x: `vec4<${from}>` },
    writes: { y: `vec4<${to}>` },
    uniforms: { vectors: "u32" },
    workgroupSize: GROUP,
    code: `${wgslMath}${toIntegerCode}
fn apply(x: ${from}) -> ${to} { return ${code}; }
fn main(group: u32, local: u32) {
  let i = group * WORKGROUP + local;
  if (i >= u.vectors) { return; }
  let v = x[i];
  y[i] = vec4<${to}>(apply(v.x), apply(v.y), apply(v.z), apply(v.w));
}`,
  }));
}

export function registerElementwise(context: KernelContext): void {
  for (const [name, { code, result }] of Object.entries(unary)) {
    context.define(name, (inputs) => {
      const x = inputOf(inputs, "x");
      const from = elementType(x.dtype);
      const program = elementwiseProgram(`${name} ${from}`, from, result ? "u32" : from, code);
      return apply(context, x, program, result ?? x.dtype);
    });
  }
  context.define("Cast", (inputs, { dtype }) => {
    const x = inputOf(inputs, "x");
    const to = String(dtype);
    return x.dtype === to ? context.share(x, x.shape) : cast(context, x, to);
  });
}

function cast(context: KernelContext, x: TensorInfo, dtype: string): TensorInfo {
  const key = `${x.dtype} ${dtype}`;
  const code = casts[key];
  if (!code) throw new TypeError(`cast: got ${x.dtype}, which webgpu does not convert to ${dtype}.`);
  const program = elementwiseProgram(`Cast ${key}`, elementType(x.dtype), elementType(dtype), code);
  return apply(context, x, program, dtype);
}

function apply(context: KernelContext, x: TensorInfo, program: WgslProgram, dtype: string): TensorInfo {
  const y = context.output(x.shape, dtype);
  const vectors = Math.ceil(sizeOf(x.shape) / 4);
  context.run(program, { x, y }, Math.ceil(vectors / GROUP), { vectors });
  return y;
}
