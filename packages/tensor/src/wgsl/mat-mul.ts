// Programs of matrix products. The right matrix is read by a function, so that it may be packed.
import type { WgslProgram } from "../backend.ts";
import { wgslReduce } from "./reduce.ts";

/** How a program reads the right matrix of a product. */
export interface RightMatrix {
  /** Stands in the program's name, and says all that the code depends on. */
  readonly name: string;
  /** Arrays and uniforms that the code reads. */
  readonly reads: Readonly<Record<string, string>>;
  readonly uniforms: Readonly<Record<string, "u32" | "i32" | "f32">>;
  /** WGSL that declares `fn right(batch: u32, k: u32, n: u32) -> f32`, for k < u.K and n < u.N. */
  readonly code: string;
  /** Whether neighbours in memory are neighbours along k, and not along n. */
  readonly alongK: boolean;
}

/** How a program reads a left matrix that is no plain array. */
export interface LeftMatrix extends Omit<RightMatrix, "code"> {
  /** WGSL that declares `fn left(batch: u32, m: u32, k: u32) -> f32`, for m < u.M and k < u.K. */
  readonly code: string;
}

/** Where a program writes the rows of c, when they do not lie one after the other. */
export interface ProductTarget {
  readonly name: string;
  readonly uniforms: Readonly<Record<string, "u32" | "i32" | "f32">>;
  /** WGSL that declares `fn place(batch: u32, m: u32) -> u32`: the index of its first number, or NOWHERE. */
  readonly code: string;
}

export interface ProductOptions {
  /** Whether the left matrix is stored as [K, M]. */
  readonly transposeA?: boolean;
  readonly right: RightMatrix;
  /** @default the tensor `a` */
  readonly left?: LeftMatrix;
  /** @default c [batch, M, N] */
  readonly target?: ProductTarget;
}

/** A product's parts, all given. */
interface Parts {
  readonly left: LeftMatrix;
  readonly right: RightMatrix;
  readonly target: ProductTarget;
}

const sizes = { M: "u32", N: "u32", K: "u32", batch: "u32" } as const;

const plainLeft = (transposeA: boolean): LeftMatrix => ({
  name: transposeA ? ", A turned" : "",
  reads: { a: "f32" },
  uniforms: { strideA: "u32" },
  alongK: !transposeA,
  code: /* wgsl */ `
fn left(batch: u32, m: u32, k: u32) -> f32 { return a[batch * u.strideA + ${transposeA ? "k * u.M + m" : "m * u.K + k"}]; }`,
});

const plainTarget: ProductTarget = {
  name: "",
  uniforms: {},
  code: /* wgsl */ `
fn place(batch: u32, m: u32) -> u32 { return (batch * u.M + m) * u.N; }`,
};

const codeOf = ({ left, right, target }: Parts): string => /* wgsl */ `
const NOWHERE = 0xffffffffu;${left.code}${right.code}${target.code}`;

const inputsOf = ({ left, right, target }: Parts) => ({
  reads: { ...left.reads, ...right.reads },
  writes: { c: "f32" },
  uniforms: { ...sizes, ...left.uniforms, ...right.uniforms, ...target.uniforms },
});

const four = [0, 1, 2, 3] as const;

const DIRECT = 64;
const DEPTH = 16; // of K at a time
const ROW = 64;

/** What to run for a product, and with how many workgroups and which uniforms beside those of the parts that were given. */
export interface ProductRun {
  readonly program: WgslProgram;
  readonly workgroups: number;
  readonly uniforms: Readonly<Record<string, number>>;
}

const programs = new Map<string, WgslProgram>();

function programOf(name: string, make: (name: string) => WgslProgram): WgslProgram {
  const known = programs.get(name) ?? make(name);
  programs.set(name, known);
  return known;
}

/**
 * The program for c [batch, M, N] = a [batch, M, K] · right [batch, K, N], of the tensors `a` and `c` and those of the
 * right matrix: rows against rows where there are few rows and both matrices lie along k, tiles where the product is
 * large, else each number by itself.
 *
 * @param sharedA - whether all of the batch have the same left matrix
 */
export function planProduct(
  { batch, M, N, K, sharedA = false }: { batch: number; M: number; N: number; K: number; sharedA?: boolean },
  { transposeA = false, right, left, target = plainTarget }: ProductOptions,
): ProductRun {
  const uniforms = { M, N, K, batch, ...(!left && { strideA: sharedA ? 0 : M * K }) };
  const parts = { left: left ?? plainLeft(transposeA), right, target };
  const names = `${right.name}${parts.left.name}${target.name}`;
  if (M <= 4 && right.alongK && parts.left.alongK && K >= ROW) {
    const name = `matMul ${M} rows · ${names}`;
    return { program: programOf(name, (n) => rowsProgram(n, M, parts)), workgroups: batch * N, uniforms };
  }
  if (batch * M * N * K <= SMALL || M <= 4) {
    const name = `matMul · ${names}`;
    const workgroups = Math.ceil((batch * M * Math.ceil(N / 4)) / DIRECT);
    return { program: programOf(name, (n) => directProgram(n, parts)), workgroups, uniforms };
  }
  const side = M <= 32 || N <= 32 || batch * M * N < 2 ** 16 ? 32 : 64;
  const name = `matMul by ${side} · ${names}`;
  const workgroups = batch * Math.ceil(M / side) * Math.ceil(N / side);
  return { program: programOf(name, (n) => tiledProgram(n, side, parts)), workgroups, uniforms };
}

/** Up to here a product is too small to fill tiles, which cost two barriers for each piece of K. */
const SMALL = 2 ** 21; // multiplications

/** A workgroup for each column of the result: its invocations share k among them. For decoding, token by token. */
function rowsProgram(name: string, M: number, parts: Parts): WgslProgram {
  const rows = four.slice(0, M);
  return {
    name,
    ...inputsOf(parts),
    workgroupSize: ROW,
    code: /* wgsl */ `${codeOf(parts)}${wgslReduce}
fn write(first: u32, n: u32, value: f32) {
  if (first != NOWHERE) { c[first + n] = value; }
}
fn main(group: u32, local: u32) {
  let batch = group / u.N;
  let n = group % u.N;
  ${rows.map((i) => `var s${i} = 0.0;`).join(" ")}
  for (var k = local; k < u.K; k += WORKGROUP) {
    let value = right(batch, k, n);
    ${rows.map((i) => `s${i} = fma(left(batch, ${i}u, k), value, s${i});`).join("\n    ")}
  }
  ${rows.map((i) => `s${i} = groupSum(s${i}, local);`).join(" ")}
  if (local > 0u) { return; }
  ${rows.map((i) => `write(place(batch, ${i}u), n, s${i});`).join("\n  ")}
}`,
  };
}

/** An invocation for four neighbours of a row, straight from memory. */
function directProgram(name: string, parts: Parts): WgslProgram {
  return {
    name,
    ...inputsOf(parts),
    workgroupSize: DIRECT,
    code: /* wgsl */ `${codeOf(parts)}
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  let across = (u.N + 3u) / 4u;
  let row = index / across % u.M;
  let batch = index / (across * u.M);
  if (batch >= u.batch) { return; } // no row: its writes would be moved onto the last element
  let first = place(batch, row);
  if (first == NOWHERE) { return; }
  let n0 = index % across * 4u;
  let n1 = min(n0 + 1u, u.N - 1u);
  let n2 = min(n0 + 2u, u.N - 1u);
  let n3 = min(n0 + 3u, u.N - 1u);
  var sums = vec4<f32>();
  for (var k = 0u; k < u.K; k++) {
    let values = vec4<f32>(${four.map((i) => `right(batch, k, n${i})`).join(", ")});
    sums = fma(vec4<f32>(left(batch, row, k)), values, sums);
  }
  let at = first + n0;
  c[at] = sums.x;
  if (n0 + 1u < u.N) { c[at + 1u] = sums.y; }
  if (n0 + 2u < u.N) { c[at + 2u] = sums.z; }
  if (n0 + 3u < u.N) { c[at + 3u] = sums.w; }
}`,
  };
}

/**
 * Tiles in workgroup memory, sixteen sums in the registers of each invocation.
 *
 * @param side - of the square that a workgroup computes; each invocation has 4 x 4 of it
 */
function tiledProgram(name: string, side: number, parts: Parts): WgslProgram {
  const across = side / 4;
  const { left, right } = parts;
  return {
    name,
    ...inputsOf(parts),
    workgroupSize: across * across,
    code: /* wgsl */ `${codeOf(parts)}
const SIDE = ${side}u;
const DEPTH = ${DEPTH}u;
var<workgroup> tileA: array<f32, ${side * DEPTH}>; // [DEPTH, SIDE]
var<workgroup> tileB: array<f32, ${side * DEPTH}>;

fn write(batch: u32, m: u32, n: u32, sums: vec4<f32>) {
  if (m >= u.M) { return; }
  let first = place(batch, m);
  if (first == NOWHERE) { return; }
  let at = first + n;
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
      ${left.alongK ? "let ka = i % DEPTH; let m = i / DEPTH;" : "let m = i % SIDE; let ka = i / SIDE;"}
      var other = 0.0;
      if (row0 + m < u.M && k0 + ka < u.K) { other = left(batch, row0 + m, k0 + ka); }
      tileA[ka * SIDE + m] = other;
      ${right.alongK ? "let kb = i % DEPTH; let n = i / DEPTH;" : "let n = i % SIDE; let kb = i / SIDE;"}
      var value = 0.0;
      if (column0 + n < u.N && k0 + kb < u.K) { value = right(batch, k0 + kb, column0 + n); }
      tileB[kb * SIDE + n] = value;
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let p = k * SIDE + row;
      let q = k * SIDE + column;
      let values = vec4<f32>(tileB[q], tileB[q + 1u], tileB[q + 2u], tileB[q + 3u]);
      ${four.map((i) => `s${i} = fma(vec4<f32>(tileA[p + ${i}u]), values, s${i});`).join("\n      ")}
    }
    workgroupBarrier();
  }
  ${four.map((i) => `write(batch, row0 + row + ${i}u, column0 + column, s${i});`).join("\n  ")}
}`,
  };
}
