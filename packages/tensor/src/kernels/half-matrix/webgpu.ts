import type { WebGpuHost, WgslProgram } from "../../backend.ts";
import { checkIds } from "../../ops/gather.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import { planProduct, type RightMatrix } from "../../wgsl/mat-mul.ts";
import type { HalfMatMulAttrs, HalfMatrixAttrs, Payload } from "./op.ts";

type Format = HalfMatrixAttrs["format"];

/** WGSL: element i of the payload, two in each word, the first in the lower half. */
const elementCode = (format: Format): string => /* wgsl */ `
fn element(i: u32) -> f32 {
  let word = payload[i / 2u];
  ${format === "f16" ? "let pair = unpack2x16float(word);" : "let pair = vec2<f32>(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));"}
  return select(pair.x, pair.y, (i & 1u) == 1u);
}`;

const rowsPrograms: Readonly<Record<Format, WgslProgram>> = {
  f16: rowsProgram("f16"),
  bf16: rowsProgram("bf16"),
};

function rowsProgram(format: Format): WgslProgram {
  return {
    name: `halfRows ${format}`,
    reads: { payload: "u32", ids: "i32" },
    writes: { y: "f32" },
    uniforms: { size: "u32", rows: "u32", columns: "u32" },
    workgroupSize: 64,
    checks: "unpackRows: an id",
    code: /* wgsl */ `${elementCode(format)}
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.size) { return; }
  let id = ids[index / u.columns];
  if (id < 0 || u32(id) >= u.rows) {
    outOfRange(id, u.rows);
    return;
  }
  y[index] = element(u32(id) * u.columns + index % u.columns);
}`,
  };
}

export function halfRows(host: WebGpuHost) {
  return ([payload, ids]: [Payload, Tensor1D], { format, rows, columns }: HalfMatrixAttrs): [Tensor2D] => {
    checkIds("unpackRows: ids", ids, rows);
    const y = host.output([ids.size, columns], "float32") as Tensor2D;
    const run = { workgroups: Math.ceil(y.size / 64), uniforms: { size: y.size, rows, columns } };
    host.run(rowsPrograms[format], { payload, ids, y }, run);
    return [y];
  };
}

function rightMatrix(format: Format, transpose: boolean): RightMatrix {
  return {
    name: `${format}${transpose ? "" : " turned"}`,
    reads: { payload: "u32" },
    uniforms: { columns: "u32" },
    alongK: !transpose,
    code: `${elementCode(format)}
fn right(batch: u32, k: u32, n: u32) -> f32 { return element(${transpose ? "k * u.columns + n" : "n * u.columns + k"}); }`,
  };
}

export function halfMatMul(host: WebGpuHost) {
  return ([x, payload]: [Tensor, Payload], attrs: HalfMatMulAttrs): [Tensor] => {
    const { format, rows, columns, transpose } = attrs;
    const [N, K] = transpose ? [columns, rows] : [rows, columns];
    const M = x.size / K;
    const c = host.output([...x.shape.slice(0, -1), N], "float32");
    if (c.size === 0) return [c];
    const options = { transposeA: false, right: rightMatrix(format, transpose) };
    const { program, workgroups, uniforms } = planProduct({ batch: 1, M, N, K }, options);
    host.run(program, { a: x, payload, c }, { workgroups, uniforms: { ...uniforms, columns } });
    return [c];
  };
}
