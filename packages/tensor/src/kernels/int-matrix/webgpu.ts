import type { WebGpuHost, WgslProgram } from "../../backend.ts";
import { checkIds } from "../../ops/gather.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import { planProduct, type RightMatrix } from "../../wgsl/mat-mul.ts";
import type { IntMatMulAttrs, IntMatrixAttrs, Quants, Scales } from "./op.ts";

type Format = IntMatrixAttrs["format"];

/** WGSL: the number at a row and a column; `u.rows` and `u.columns` are the matrix's. Rows lie in quads: see `toQuads`. */
const elementCode = (format: Format): string => /* wgsl */ `
fn element(row: u32, column: u32) -> f32 {
  let groups = (u.columns + 31u) / 32u;
  let isLoose = row >= (u.rows & 0xfffffffcu);
  let apart = select(4u, 1u, isLoose);
  let lane = select(row & 3u, 0u, isLoose);
  let group = (row - lane) * groups + column / 32u * apart; // in a quad: that of its first row
  let j = column % 32u;
  let pair = unpack2x16float(scales[(group + lane) / 2u]);
  let scale = select(pair.x, pair.y, ((group + lane) & 1u) == 1u);
  ${
    format === "int8"
      ? "let q = extractBits(bitcast<i32>(quants[group * 8u + j / 4u * apart + lane]), 8u * (j % 4u), 8u);"
      : "let q = i32(extractBits(quants[group * 4u + j % 16u / 4u * apart + lane], 8u * (j % 4u) + 4u * (j / 16u), 4u)) - 8;"
  }
  return f32(q) * scale;
}`;

const rowsPrograms: Readonly<Record<Format, WgslProgram>> = {
  int8: rowsProgram("int8"),
  int4: rowsProgram("int4"),
};

function rowsProgram(format: Format): WgslProgram {
  return {
    name: `intRows ${format}`,
    reads: { quants: "u32", scales: "u32", ids: "i32" },
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
  y[index] = element(u32(id), index % u.columns);
}`,
  };
}

export function intRows(host: WebGpuHost) {
  return ([quants, scales, ids]: [Quants, Scales, Tensor1D], attrs: IntMatrixAttrs): [Tensor2D] => {
    const { format, rows, columns } = attrs;
    checkIds("unpackRows: ids", ids, rows);
    const y = host.output([ids.size, columns], "float32") as Tensor2D;
    const run = { workgroups: Math.ceil(y.size / 64), uniforms: { size: y.size, rows, columns } };
    host.run(rowsPrograms[format], { quants, scales, ids, y }, run);
    return [y];
  };
}

function rightMatrix(format: Format, transpose: boolean): RightMatrix {
  return {
    name: `${format}${transpose ? "" : " turned"}`,
    reads: { quants: "u32", scales: "u32" },
    uniforms: { rows: "u32", columns: "u32" },
    alongK: !transpose,
    code: `${elementCode(format)}
fn right(batch: u32, k: u32, n: u32) -> f32 { return element(${transpose ? "k, n" : "n, k"}); }`,
  };
}

export function intMatMul(host: WebGpuHost) {
  return ([x, quants, scales]: [Tensor, Quants, Scales], attrs: IntMatMulAttrs): [Tensor] => {
    const { format, rows, columns, transpose } = attrs;
    const [N, K] = transpose ? [columns, rows] : [rows, columns];
    const M = x.size / K;
    const c = host.output([...x.shape.slice(0, -1), N], "float32");
    if (c.size === 0) return [c];
    const options = { transposeA: false, right: rightMatrix(format, transpose) };
    const { program, workgroups, uniforms } = planProduct({ batch: 1, M, N, K }, options);
    host.run(program, { a: x, quants, scales, c }, { workgroups, uniforms: { ...uniforms, rows, columns } });
    return [c];
  };
}
