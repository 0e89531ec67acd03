// Packing for gemm: a panel holds W rows (of op(A)) or W columns (of op(B)), interleaved, so that the
// micro-kernel reads both operands in a straight line: panel[k * W + i]. Every panel has an even number of
// steps k; where the matrix has an odd one, a step of zeros follows. Lanes beyond the matrix hold anything
// finite the matrix has: what they give is never stored.

import { fieldsOf, load1, load4, scaleOf, shiftOf } from "./format";

// @ts-ignore: decorator
@inline
function zip0(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 0, 4, 1, 5);
}
// @ts-ignore: decorator
@inline
function zip1(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 2, 6, 3, 7);
}
// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<f64>(a, b, 0, 2);
}
// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<f64>(a, b, 1, 3);
}

/** Writes the transpose of four rows of four at `dst`, `strideBytes` apart. */
// @ts-ignore: decorator
@inline
export function storeTransposed(r0: v128, r1: v128, r2: v128, r3: v128, dst: usize, stride: usize): void {
  const a = zip0(r0, r1);
  const b = zip0(r2, r3);
  const c = zip1(r0, r1);
  const d = zip1(r2, r3);
  v128.store(dst, low(a, b));
  v128.store(dst + stride, high(a, b));
  v128.store(dst + 2 * stride, low(c, d));
  v128.store(dst + 3 * stride, high(c, d));
}

/** One panel of 8 from `rows` <= 8 rows that are contiguous along k, `stride` bytes apart. */
// @ts-ignore: decorator
@inline
export function panelOfRows8(format: i32, src: usize, stride: usize, rows: i32, K: i32, dst: usize): void {
  const last = <usize>(rows - 1);
  const p0 = src;
  const p1 = src + min<usize>(1, last) * stride;
  const p2 = src + min<usize>(2, last) * stride;
  const p3 = src + min<usize>(3, last) * stride;
  const p4 = src + min<usize>(4, last) * stride;
  const p5 = src + min<usize>(5, last) * stride;
  const p6 = src + min<usize>(6, last) * stride;
  const p7 = src + min<usize>(7, last) * stride;
  const fields = fieldsOf(format), scale = scaleOf(format);
  const shift = shiftOf(format);
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    const at = <usize>k << shift;
    storeTransposed(
      load4(format, p0 + at, fields, scale), load4(format, p1 + at, fields, scale),
      load4(format, p2 + at, fields, scale), load4(format, p3 + at, fields, scale),
      dst, 32,
    );
    storeTransposed(
      load4(format, p4 + at, fields, scale), load4(format, p5 + at, fields, scale),
      load4(format, p6 + at, fields, scale), load4(format, p7 + at, fields, scale),
      dst + 16, 32,
    );
    dst += 128;
  }
  for (; k < K; k++) {
    const at = <usize>k << shift;
    store<f32>(dst, load1(format, p0 + at), 0);
    store<f32>(dst, load1(format, p1 + at), 4);
    store<f32>(dst, load1(format, p2 + at), 8);
    store<f32>(dst, load1(format, p3 + at), 12);
    store<f32>(dst, load1(format, p4 + at), 16);
    store<f32>(dst, load1(format, p5 + at), 20);
    store<f32>(dst, load1(format, p6 + at), 24);
    store<f32>(dst, load1(format, p7 + at), 28);
    dst += 32;
  }
  if (K & 1) memory.fill(dst, 0, 32);
}

/** One panel of 6 from `rows` <= 6 rows of f32 that are contiguous along k, `stride` bytes apart. */
function panelOfRows6(src: usize, stride: usize, rows: i32, K: i32, dst: usize): void {
  const last = <usize>(rows - 1);
  const p1 = src + min<usize>(1, last) * stride;
  const p2 = src + min<usize>(2, last) * stride;
  const p3 = src + min<usize>(3, last) * stride;
  const p4 = src + min<usize>(4, last) * stride;
  const p5 = src + min<usize>(5, last) * stride;
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    const at = <usize>k << 2;
    storeTransposed(v128.load(src + at), v128.load(p1 + at), v128.load(p2 + at), v128.load(p3 + at), dst, 24);
    const r4 = v128.load(p4 + at);
    const r5 = v128.load(p5 + at);
    const a = zip0(r4, r5);
    const b = zip1(r4, r5);
    v128.store64_lane(dst + 16, a, 0);
    v128.store64_lane(dst + 40, a, 1);
    v128.store64_lane(dst + 64, b, 0);
    v128.store64_lane(dst + 88, b, 1);
    dst += 96;
  }
  for (; k < K; k++) {
    const at = <usize>k << 2;
    store<f32>(dst, load<f32>(src + at), 0);
    store<f32>(dst, load<f32>(p1 + at), 4);
    store<f32>(dst, load<f32>(p2 + at), 8);
    store<f32>(dst, load<f32>(p3 + at), 12);
    store<f32>(dst, load<f32>(p4 + at), 16);
    store<f32>(dst, load<f32>(p5 + at), 20);
    dst += 24;
  }
  if (K & 1) memory.fill(dst, 0, 24);
}

/** One panel of W from `cols` <= W columns: K rows, `stride` bytes apart, contiguous across the panel. */
// @ts-ignore: decorator
@inline
function panelOfColumns(format: i32, W: i32, src: usize, stride: usize, cols: i32, K: i32, dst: usize): void {
  const fields = fieldsOf(format), scale = scaleOf(format);
  const step = <usize>W << 2;
  if (cols >= W) {
    for (let k = 0; k < K; k++) {
      v128.store(dst, load4(format, src, fields, scale));
      if (W == 8) v128.store(dst, load4(format, src + (4 << shiftOf(format)), fields, scale), 16);
      else v128.store64_lane(dst + 16, v128.load64_zero(src + 16), 0); // W = 6 is f32
      src += stride;
      dst += step;
    }
  } else {
    for (let k = 0; k < K; k++) {
      for (let i = 0; i < W; i++) {
        store<f32>(dst + (<usize>i << 2), load1(format, src + (<usize>min(i, cols - 1) << shiftOf(format))));
      }
      src += stride;
      dst += step;
    }
  }
  if (K & 1) memory.fill(dst, 0, step);
}

/** Two neighbouring full panels of 8 columns at once, so that a cache line is met once. */
// @ts-ignore: decorator
@inline
function twoPanelsOfColumns8(format: i32, src: usize, stride: usize, K: i32, dst: usize, second: usize): void {
  const fields = fieldsOf(format), scale = scaleOf(format);
  const shift = shiftOf(format);
  for (let k = 0; k < K; k++) {
    v128.store(dst, load4(format, src, fields, scale));
    v128.store(dst, load4(format, src + (4 << shift), fields, scale), 16);
    v128.store(second, load4(format, src + (8 << shift), fields, scale));
    v128.store(second, load4(format, src + (12 << shift), fields, scale), 16);
    src += stride;
    dst += 32;
    second += 32;
  }
  if (K & 1) {
    memory.fill(dst, 0, 32);
    memory.fill(second, 0, 32);
  }
}

/** Eight neighbouring full panels of 6 columns at once: a row of B gives three lines instead of parts of one. */
function eightPanelsOfColumns6(src: usize, stride: usize, K: i32, dst: usize, panelBytes: usize): void {
  for (let k = 0; k < K; k++) {
    let to = dst;
    for (let p = <usize>0; p < 192; p += 24) {
      v128.store(to, v128.load(src + p));
      v128.store64_lane(to + 16, v128.load64_zero(src + p, 16), 0);
      to += panelBytes;
    }
    src += stride;
    dst += 24;
  }
  if (K & 1) for (let p = 0; p < 8; p++) memory.fill(dst + <usize>p * panelBytes, 0, 24);
}

/** Packs op(A), `M` rows by `K`, f32, in panels of 6 rows. */
export function packA(transA: i32, a: usize, lda: i32, M: i32, K: i32, dst: usize): void {
  const panelBytes = <usize>(6 * (K + (K & 1))) << 2;
  const stride = <usize>lda << 2;
  let i = 0;
  if (transA) {
    for (; i + 48 <= M; i += 48) {
      eightPanelsOfColumns6(a + (<usize>i << 2), stride, K, dst, panelBytes);
      dst += 8 * panelBytes;
    }
  }
  for (; i < M; i += 6) {
    if (transA) panelOfColumns(0, 6, a + (<usize>i << 2), stride, M - i, K, dst);
    else panelOfRows6(a + <usize>i * stride, stride, min(6, M - i), K, dst);
    dst += panelBytes;
  }
}

/** Packs op(B), `K` by `N` columns, stored in `format`, in panels of 8 columns. */
// @ts-ignore: decorator
@inline
function packBOf(format: i32, transB: i32, b: usize, ldb: i32, N: i32, K: i32, dst: usize): void {
  const panelBytes = <usize>(8 * (K + (K & 1))) << 2;
  const shift = shiftOf(format);
  const stride = <usize>ldb << shift;
  let j = 0;
  if (transB) {
    for (; j < N; j += 8) {
      panelOfRows8(format, b + <usize>j * stride, stride, min(8, N - j), K, dst);
      dst += panelBytes;
    }
    return;
  }
  for (; j + 16 <= N; j += 16) {
    twoPanelsOfColumns8(format, b + (<usize>j << shift), stride, K, dst, dst + panelBytes);
    dst += 2 * panelBytes;
  }
  for (; j < N; j += 8) {
    panelOfColumns(format, 8, b + (<usize>j << shift), stride, N - j, K, dst);
    dst += panelBytes;
  }
}

/** Packs op(B), `K` by `N` columns, in panels of 8 columns. `format`: 0 f32, 1 f16, 2 bf16. */
export function packB(format: i32, transB: i32, b: usize, ldb: i32, N: i32, K: i32, dst: usize): void {
  if (format == 0) packBOf(0, transB, b, ldb, N, K, dst);
  else if (format == 1) packBOf(1, transB, b, ldb, N, K, dst);
  else packBOf(2, transB, b, ldb, N, K, dst);
}
