import type { WgslProgram } from "@corenet/tensor";
import { inputOf, type KernelContext, programOf } from "./context.ts";
import { sizeOf } from "./strides.ts";

/**
 * Matrix products [..., M, K] · [..., K, N], either side turned, with equal leading axes or one matrix for all: tiles in
 * workgroup memory, sixteen sums in the registers of each invocation.
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
    const side = M <= 32 || N <= 32 || batch * M * N < 2 ** 16 ? 32 : 64;
    const program = tiledProgram(side, Boolean(transposeA), Boolean(transposeB));
    const workgroups = batch * Math.ceil(M / side) * Math.ceil(N / side);
    const strides = { strideA: countA === 1 ? 0 : M * K, strideB: countB === 1 ? 0 : K * N };
    context.run(program, { a, b, c }, workgroups, { M, N, K, ...strides });
    return c;
  });
}

const DEPTH = 16; // of K at a time

/**
 * @param side - of the square that a workgroup computes; each invocation has 4 x 4 of it
 */
function tiledProgram(side: number, transposeA: boolean, transposeB: boolean): WgslProgram {
  const across = side / 4;
  return programOf(`matMul ${side}${transposeA ? " A turned" : ""}${transposeB ? " B turned" : ""}`, () => ({
    reads: { a: "f32", b: "f32" },
    writes: { c: "f32" },
    uniforms: { M: "u32", N: "u32", K: "u32", strideA: "u32", strideB: "u32" },
    workgroupSize: across * across,
    code: /* wgsl */ `
const SIDE = ${side}u;
const DEPTH = ${DEPTH}u;
var<workgroup> tileA: array<f32, ${side * DEPTH}>; // [DEPTH, SIDE]
var<workgroup> tileB: array<f32, ${side * DEPTH}>;

fn main(group: u32, local: u32) {
  let tilesN = (u.N + SIDE - 1u) / SIDE;
  let tiles = tilesN * ((u.M + SIDE - 1u) / SIDE);
  let batch = group / tiles;
  let row0 = group % tiles / tilesN * SIDE;
  let column0 = group % tilesN * SIDE;
  let row = local / ${across}u * 4u;
  let column = local % ${across}u * 4u;
  var sums: array<vec4<f32>, 4>;
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
      sums[0] = fma(vec4<f32>(tileA[p]), right, sums[0]);
      sums[1] = fma(vec4<f32>(tileA[p + 1u]), right, sums[1]);
      sums[2] = fma(vec4<f32>(tileA[p + 2u]), right, sums[2]);
      sums[3] = fma(vec4<f32>(tileA[p + 3u]), right, sums[3]);
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let m = row0 + row + i;
      let n = column0 + column + j;
      if (m < u.M && n < u.N) { c[(batch * u.M + m) * u.N + n] = sums[i][j]; }
    }
  }
}`,
  }));
}
