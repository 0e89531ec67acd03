import type { WgslProgram } from "@corenet/tensor";
import { inputOf, type KernelContext, programOf } from "./context.ts";
import { sizeOf } from "./strides.ts";

/** Up to here a product is too small to fill tiles, which cost two barriers for each piece of K. */
const SMALL = 2 ** 21; // multiplications

/**
 * Matrix products [..., M, K] · [..., K, N], either side turned, with equal leading axes or one matrix for all.
 */
export function registerMatMul(context: KernelContext): void {
  context.define("BatchMatMul", (inputs, { transposeA, transposeB }) => {
    const [a, b] = [inputOf(inputs, "a"), inputOf(inputs, "b")];
    if (a.dtype !== "float32" || b.dtype !== "float32") {
      throw new TypeError(`matMul: got ${a.dtype} and ${b.dtype}, expected float32 on webgpu.`);
    }
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
    const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const N = transposeB ? rowsB : columnsB;
    const [leadA, leadB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const [countA, countB] = [sizeOf(leadA), sizeOf(leadB)];
    const batch = Math.max(countA, countB);
    const c = context.output([...(countA >= countB ? leadA : leadB), M, N], "float32");
    const strides = { strideA: countA === 1 ? 0 : M * K, strideB: countB === 1 ? 0 : K * N };
    const [turnA, turnB] = [Boolean(transposeA), Boolean(transposeB)];
    if (batch * M * N * K <= SMALL) {
      const quads = batch * M * Math.ceil(N / 4);
      const uniforms = { M, N, K, ...strides, quads };
      context.run(directProgram(turnA, turnB), { a, b, c }, Math.ceil(quads / DIRECT_GROUP), uniforms);
    } else {
      const side = M <= 32 || N <= 32 || batch * M * N < 2 ** 16 ? 32 : 64;
      const workgroups = batch * Math.ceil(M / side) * Math.ceil(N / side);
      context.run(tiledProgram(side, turnA, turnB), { a, b, c }, workgroups, { M, N, K, ...strides });
    }
    return c;
  });
}

const DIRECT_GROUP = 64;

const nameOf = (kind: string, transposeA: boolean, transposeB: boolean): string =>
  `matMul ${kind}${transposeA ? " A turned" : ""}${transposeB ? " B turned" : ""}`;

/** An invocation for four neighbours of a row, straight from memory. */
function directProgram(transposeA: boolean, transposeB: boolean): WgslProgram {
  const atB = (column: string) =>
    transposeB ? `b[baseB + ${column} * u.K + k]` : `b[baseB + k * u.N + ${column}]`;
  return programOf(nameOf("direct", transposeA, transposeB), () => ({
    reads: { a: "f32", b: "f32" },
    writes: { c: "f32" },
    uniforms: { M: "u32", N: "u32", K: "u32", strideA: "u32", strideB: "u32", quads: "u32" },
    workgroupSize: DIRECT_GROUP,
    code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index >= u.quads) { return; }
  let across = (u.N + 3u) / 4u;
  let row = index / across % u.M;
  let batch = index / (across * u.M);
  let n0 = index % across * 4u;
  let n1 = min(n0 + 1u, u.N - 1u);
  let n2 = min(n0 + 2u, u.N - 1u);
  let n3 = min(n0 + 3u, u.N - 1u);
  let baseA = batch * u.strideA + row * ${transposeA ? "1u" : "u.K"};
  let baseB = batch * u.strideB;
  var sums = vec4<f32>();
  for (var k = 0u; k < u.K; k++) {
    let right = vec4<f32>(${["n0", "n1", "n2", "n3"].map(atB).join(", ")});
    sums = fma(vec4<f32>(a[baseA + k${transposeA ? " * u.M" : ""}]), right, sums);
  }
  let at = (batch * u.M + row) * u.N + n0;
  c[at] = sums.x;
  if (n0 + 1u < u.N) { c[at + 1u] = sums.y; }
  if (n0 + 2u < u.N) { c[at + 2u] = sums.z; }
  if (n0 + 3u < u.N) { c[at + 3u] = sums.w; }
}`,
  }));
}

const DEPTH = 16; // of K at a time

/**
 * Tiles in workgroup memory, sixteen sums in the registers of each invocation.
 *
 * @param side - of the square that a workgroup computes; each invocation has 4 x 4 of it
 */
function tiledProgram(side: number, transposeA: boolean, transposeB: boolean): WgslProgram {
  const across = side / 4;
  const four = [0, 1, 2, 3];
  return programOf(nameOf(`by ${side}`, transposeA, transposeB), () => ({
    reads: { a: "f32", b: "f32" },
    writes: { c: "f32" },
    uniforms: { M: "u32", N: "u32", K: "u32", strideA: "u32", strideB: "u32" },
    workgroupSize: across * across,
    code: /* wgsl */ `
const SIDE = ${side}u;
const DEPTH = ${DEPTH}u;
var<workgroup> tileA: array<f32, ${side * DEPTH}>; // [DEPTH, SIDE]
var<workgroup> tileB: array<f32, ${side * DEPTH}>;

fn write(at: u32, n: u32, sums: vec4<f32>) {
  if (n < u.N) { c[at] = sums.x; }
  if (n + 1u < u.N) { c[at + 1u] = sums.y; }
  if (n + 2u < u.N) { c[at + 2u] = sums.z; }
  if (n + 3u < u.N) { c[at + 3u] = sums.w; }
}

fn main(group: u32, local: u32) {
  let tilesN = (u.N + SIDE - 1u) / SIDE;
  let tiles = tilesN * ((u.M + SIDE - 1u) / SIDE);
  let batch = group / tiles;
  let row0 = group % tiles / tilesN * SIDE;
  let column0 = group % tilesN * SIDE;
  let row = local / ${across}u * 4u;
  let column = local % ${across}u * 4u;
  ${four.map((i) => `var s${i} = vec4<f32>();`).join(" ")}
  for (var k0 = 0u; k0 < u.K; k0 += DEPTH) {
    for (var i = local; i < SIDE * DEPTH; i += WORKGROUP) {
      ${transposeA ? "let m = i % SIDE; let ka = i / SIDE;" : "let ka = i % DEPTH; let m = i / DEPTH;"}
      let inA = row0 + m < u.M && k0 + ka < u.K;
      let atA = ${transposeA ? "(k0 + ka) * u.M + row0 + m" : "(row0 + m) * u.K + k0 + ka"};
      tileA[ka * SIDE + m] = select(0.0, a[batch * u.strideA + select(0u, atA, inA)], inA);
      ${transposeB ? "let kb = i % DEPTH; let n = i / DEPTH;" : "let n = i % SIDE; let kb = i / SIDE;"}
      let inB = column0 + n < u.N && k0 + kb < u.K;
      let atB = ${transposeB ? "(column0 + n) * u.K + k0 + kb" : "(k0 + kb) * u.N + column0 + n"};
      tileB[kb * SIDE + n] = select(0.0, b[batch * u.strideB + select(0u, atB, inB)], inB);
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let p = k * SIDE + row;
      let q = k * SIDE + column;
      let right = vec4<f32>(tileB[q], tileB[q + 1u], tileB[q + 2u], tileB[q + 3u]);
      ${four.map((i) => `s${i} = fma(vec4<f32>(tileA[p + ${i}u]), right, s${i});`).join("\n      ")}
    }
    workgroupBarrier();
  }
  let first = row0 + row;
  let n = column0 + column;
  let at = (batch * u.M + first) * u.N + n;
  ${four.map((i) => `if (first + ${i}u < u.M) { write(at + ${i}u * u.N, n, s${i}); }`).join("\n  ")}
}`,
  }));
}
