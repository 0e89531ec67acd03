import {
  add,
  checkIds,
  concat,
  matMul,
  slice,
  type Tensor1D,
  type Tensor2D,
  type WebGpuHost,
  type WgslProgram,
  zeros,
} from "@corenet/tensor";
import type { LfsrConfig } from "../../codec/config.ts";
import type { LfsrAttrs, LfsrMatMulAttrs, Payload } from "./op.ts";
import { decodeCode, WORKGROUP } from "./wgsl.ts";

/** Vectors that are multiplied block by block, as the blocks are decoded. */
const FUSED_VECTORS = 4;
/** Rows that a workgroup multiplies; its other invocations share their columns. */
const ROWS = 16;
/** Weights that are decoded at a time where there are more vectors: 16 MiB. */
const TILE_SIZE = 2 ** 22;

/** One program for each configuration and purpose. */
const programs = new Map<string, WgslProgram>();

function programOf(purpose: string, config: LfsrConfig, make: (name: string) => WgslProgram): WgslProgram {
  const { C, P, K, taps, decimation } = config;
  const name = `${purpose} (${[C, P, K, taps, decimation]})`;
  const known = programs.get(name) ?? make(name);
  programs.set(name, known);
  return known;
}

/** An invocation for each block that a row touches: in layout `flat` a block may belong to two rows. */
const rowsProgram = (config: LfsrConfig, hasIds: boolean): WgslProgram =>
  programOf(hasIds ? "lfsrRows" : "lfsrRows in order", config, (name) => ({
    name,
    reads: { payload: "u32", ...(hasIds && { ids: "i32" }) },
    writes: { y: "f32" },
    uniforms: {
      count: "u32",
      first: "u32",
      rows: "u32",
      columns: "u32",
      lanes: "u32",
      blocks: "u32",
      isFlat: "u32",
    },
    workgroupSize: WORKGROUP,
    ...(hasIds ? { checks: "unpackRows: an id" } : {}),
    code: /* wgsl */ `${decodeCode(config)}
fn main(group: u32, local: u32) {
  fillTable(local);
  let index = group * WORKGROUP + local;
  if (index >= u.count * u.blocks) { return; }
  let i = index / u.blocks;
  let k = index % u.blocks;
  ${
    hasIds
      ? `let id = ids[i];
  if (id < 0 || u32(id) >= u.rows) {
    outOfRange(id, u.rows);
    return;
  }
  let row = u32(id);`
      : "let row = u.first + i;"
  }
  let start = select(0u, row * u.columns, u.isFlat == 1u);
  let block = start / C + k;
  decodeBlock(select(k * u.lanes + row, block, u.isFlat == 1u));
  for (var c = 0u; c < C; c++) {
    let element = block * C + c;
    if (element >= start && element < start + u.columns) { y[i * u.columns + element - start] = w[c]; }
  }
}`,
  }));

/** Neighbouring invocations have neighbouring rows, whose blocks lie side by side; x is the same for all. */
const matVecProgram = (config: LfsrConfig, M: number): WgslProgram => {
  const vectors = Array.from({ length: M }, (_, t) => t);
  return programOf(`lfsrMatVec ${M}`, config, (name) => ({
    name,
    reads: { x: "f32", payload: "u32" },
    writes: { y: "f32" },
    uniforms: { rows: "u32", columns: "u32", lanes: "u32", groups: "u32" },
    workgroupSize: WORKGROUP,
    code: /* wgsl */ `${decodeCode(config)}
var<workgroup> parts: array<array<f32, ${WORKGROUP}>, ${M}>;
fn main(group: u32, local: u32) {
  fillTable(local);
  let row = group * ${ROWS}u + local % ${ROWS}u;
  ${vectors.map((t) => `var s${t} = 0.0;`).join(" ")}
  if (row < u.rows) {
    for (var g = local / ${ROWS}u; g < u.groups; g += ${WORKGROUP / ROWS}u) {
      decodeBlock(g * u.lanes + row);
      let end = min(C, u.columns - g * C);
      for (var c = 0u; c < end; c++) {
        ${vectors.map((t) => `s${t} = fma(x[${t}u * u.columns + g * C + c], w[c], s${t});`).join(" ")}
      }
    }
  }
  ${vectors.map((t) => `parts[${t}][local] = s${t};`).join(" ")}
  workgroupBarrier();
  if (local < ${ROWS}u && row < u.rows) {
    ${vectors
      .map((t) => {
        const sum = Array.from({ length: WORKGROUP / ROWS }, (_, i) => `parts[${t}][local + ${i * ROWS}u]`);
        return `y[${t}u * u.rows + row] = ${sum.join(" + ")};`;
      })
      .join(" ")}
  }
}`,
  }));
};

export function lfsrRows(host: WebGpuHost) {
  return ([payload, ids]: [Payload, Tensor1D], attrs: LfsrAttrs): [Tensor2D] => {
    checkIds("unpackRows: ids", ids, attrs.rows);
    return [decodeRows(host, payload, attrs, ids.size, { ids })];
  };
}

/** Rows with the given ids, or `count` rows from `first` on. */
function decodeRows(
  host: WebGpuHost,
  payload: Payload,
  attrs: LfsrAttrs,
  count: number,
  { ids, first = 0 }: { ids?: Tensor1D; first?: number },
): Tensor2D {
  const { config, rows, columns, lanes, isFlat } = attrs;
  const y = host.output([count, columns], "float32") as Tensor2D;
  const blocks = Math.ceil(columns / config.C) + Number(isFlat);
  const uniforms = { count, first, rows, columns, lanes, blocks, isFlat: Number(isFlat) };
  const workgroups = y.size === 0 ? 0 : Math.ceil((count * blocks) / WORKGROUP);
  host.run(rowsProgram(config, ids !== undefined), ids ? { payload, ids, y } : { payload, y }, {
    workgroups,
    uniforms,
  });
  return y;
}

export function lfsrMatMul(host: WebGpuHost) {
  return ([x, payload]: [Tensor2D, Payload], attrs: LfsrMatMulAttrs): [Tensor2D] => {
    const { config, rows, columns, lanes, groups, transpose, fused } = attrs;
    const [M] = x.shape;
    if (M * rows * columns === 0) return [zeros([M, transpose ? columns : rows]) as Tensor2D];
    if (transpose || !fused || M > FUSED_VECTORS) return [multiplyDecoded(host, x, payload, attrs)];
    const y = host.output([M, rows], "float32") as Tensor2D;
    const uniforms = { rows, columns, lanes, groups };
    host.run(matVecProgram(config, M), { x, payload, y }, { workgroups: Math.ceil(rows / ROWS), uniforms });
    return [y];
  };
}

/** Some rows of the matrix are decoded at a time, and multiplied as any. */
function multiplyDecoded(host: WebGpuHost, x: Tensor2D, payload: Payload, attrs: LfsrMatMulAttrs): Tensor2D {
  const { rows, columns, transpose } = attrs;
  const [M] = x.shape;
  const atOnce = Math.max(1, Math.floor(TILE_SIZE / columns));
  const parts: Tensor2D[] = [];
  for (let first = 0; first < rows; first += atOnce) {
    const count = Math.min(atOnce, rows - first);
    const tile = decodeRows(host, payload, attrs, count, { first });
    const left = transpose ? slice(x, [0, first], [M, count]) : x;
    parts.push(matMul(left, tile, { transposeB: !transpose }) as Tensor2D);
    tile.dispose();
  }
  if (transpose) return parts.reduce((sum, part) => add(sum, part) as Tensor2D);
  return parts.length === 1 ? (parts[0] as Tensor2D) : (concat(parts, { axis: 1 }) as Tensor2D);
}
