// Products of at most four rows (decoding): bound by reading B once, so B is not packed. A is f32 [M, K],
// contiguous rows `K` apart; B in any format, decoded on the fly.

import { fieldsOf, load1, load4, scaleOf, shiftOf } from "./format";
import { madd, sumLanes } from "./simd";

// @ts-ignore: decorator
@inline
function put(c: usize, value: f32, accumulate: i32): void {
  store<f32>(c, accumulate ? load<f32>(c) + value : value);
}

/** Rows 0 and, when `two`, 1 of C at 1 to 4 columns: dot products of rows of A with rows of B. */
// @ts-ignore: decorator
@inline
function dots(
  format: i32, two: i32, K: i32, a: usize, b: usize, ldb: usize, columns: i32,
  c: usize, ldc: usize, alpha: f32, accumulate: i32,
): void {
  const last = <usize>(columns - 1);
  const b1 = b + min<usize>(1, last) * ldb;
  const b2 = b + min<usize>(2, last) * ldb;
  const b3 = b + min<usize>(3, last) * ldb;
  const fields = fieldsOf(format), scale = scaleOf(format);
  const shift = shiftOf(format);
  const second = a + (<usize>K << 2);
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    const x = v128.load(a + (<usize>k << 2));
    const at = <usize>k << shift;
    if (two) {
      const y = v128.load(second + (<usize>k << 2));
      let w = load4(format, b + at, fields, scale);
      s0 = madd(x, w, s0);
      t0 = madd(y, w, t0);
      w = load4(format, b1 + at, fields, scale);
      s1 = madd(x, w, s1);
      t1 = madd(y, w, t1);
      w = load4(format, b2 + at, fields, scale);
      s2 = madd(x, w, s2);
      t2 = madd(y, w, t2);
      w = load4(format, b3 + at, fields, scale);
      s3 = madd(x, w, s3);
      t3 = madd(y, w, t3);
    } else {
      s0 = madd(x, load4(format, b + at, fields, scale), s0);
      s1 = madd(x, load4(format, b1 + at, fields, scale), s1);
      s2 = madd(x, load4(format, b2 + at, fields, scale), s2);
      s3 = madd(x, load4(format, b3 + at, fields, scale), s3);
    }
  }
  let d0 = sumLanes(s0), d1 = sumLanes(s1), d2 = sumLanes(s2), d3 = sumLanes(s3);
  let e0 = sumLanes(t0), e1 = sumLanes(t1), e2 = sumLanes(t2), e3 = sumLanes(t3);
  for (; k < K; k++) {
    const at = <usize>k << shift;
    const w0 = load1(format, b + at), w1 = load1(format, b1 + at);
    const w2 = load1(format, b2 + at), w3 = load1(format, b3 + at);
    const x = load<f32>(a + (<usize>k << 2));
    d0 += x * w0;
    d1 += x * w1;
    d2 += x * w2;
    d3 += x * w3;
    if (two) {
      const y = load<f32>(second + (<usize>k << 2));
      e0 += y * w0;
      e1 += y * w1;
      e2 += y * w2;
      e3 += y * w3;
    }
  }
  put(c, alpha * d0, accumulate);
  if (columns > 1) put(c + 4, alpha * d1, accumulate);
  if (columns > 2) put(c + 8, alpha * d2, accumulate);
  if (columns > 3) put(c + 12, alpha * d3, accumulate);
  if (two) {
    put(c + ldc, alpha * e0, accumulate);
    if (columns > 1) put(c + ldc + 4, alpha * e1, accumulate);
    if (columns > 2) put(c + ldc + 8, alpha * e2, accumulate);
    if (columns > 3) put(c + ldc + 12, alpha * e3, accumulate);
  }
}

// @ts-ignore: decorator
@inline
function dotRowsOf(
  format: i32, M: i32, N: i32, K: i32, a: usize, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32,
): void {
  const bStride = <usize>ldb << shiftOf(format);
  const cStride = <usize>ldc << 2;
  for (let n = 0; n < N; n += 4) {
    const columns = min(4, N - n);
    const row = b + <usize>n * bStride;
    const to = c + (<usize>n << 2);
    let m = 0;
    for (; m + 2 <= M; m += 2) {
      const x = a + (<usize>(m * K) << 2);
      dots(format, 1, K, x, row, bStride, columns, to + <usize>m * cStride, cStride, alpha, accumulate);
    }
    if (m < M) {
      const x = a + (<usize>(m * K) << 2);
      dots(format, 0, K, x, row, bStride, columns, to + <usize>m * cStride, cStride, alpha, accumulate);
    }
  }
}

/** C [M, N] = alpha * A·Bᵀ (+ C) for M <= 4, with B [N, K]. */
export function dotRows(
  format: i32, M: i32, N: i32, K: i32, a: usize, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32,
): void {
  if (format == 0) dotRowsOf(0, M, N, K, a, b, ldb, c, ldc, alpha, accumulate);
  else if (format == 1) dotRowsOf(1, M, N, K, a, b, ldb, c, ldc, alpha, accumulate);
  else dotRowsOf(2, M, N, K, a, b, ldb, c, ldc, alpha, accumulate);
}

// @ts-ignore: decorator
@inline
function axpyRowsOf(
  format: i32, M: i32, N: i32, K: i32, a: usize, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32,
): void {
  const fields = fieldsOf(format), scale = scaleOf(format);
  const shift = shiftOf(format);
  const bStride = <usize>ldb << shift;
  if (!accumulate) for (let m = 0; m < M; m++) memory.fill(c + (<usize>m * <usize>ldc << 2), 0, <usize>N << 2);
  // Columns in blocks whose part of C stays in the first cache; rows of B four at a time.
  for (let n0 = 0; n0 < N; n0 += 1024) {
    const end = min(N, n0 + 1024);
    for (let k = 0; k < K; k += 4) {
      const left = <usize>(min(4, K - k) - 1);
      const r0 = b + <usize>k * bStride;
      const r1 = r0 + min<usize>(1, left) * bStride;
      const r2 = r0 + min<usize>(2, left) * bStride;
      const r3 = r0 + min<usize>(3, left) * bStride;
      for (let m = 0; m < M; m++) {
        const x = a + (<usize>(m * K + k) << 2);
        const x0 = alpha * load<f32>(x);
        const x1 = left > 0 ? alpha * load<f32>(x, 4) : 0;
        const x2 = left > 1 ? alpha * load<f32>(x, 8) : 0;
        const x3 = left > 2 ? alpha * load<f32>(x, 12) : 0;
        const v0 = f32x4.splat(x0), v1 = f32x4.splat(x1), v2 = f32x4.splat(x2), v3 = f32x4.splat(x3);
        const row = c + (<usize>m * <usize>ldc << 2);
        let n = n0;
        for (; n + 4 <= end; n += 4) {
          const at = <usize>n << shift;
          const to = row + (<usize>n << 2);
          let sum = madd(v0, load4(format, r0 + at, fields, scale), v128.load(to));
          if (left > 0) sum = madd(v1, load4(format, r1 + at, fields, scale), sum);
          if (left > 1) sum = madd(v2, load4(format, r2 + at, fields, scale), sum);
          if (left > 2) sum = madd(v3, load4(format, r3 + at, fields, scale), sum);
          v128.store(to, sum);
        }
        for (; n < end; n++) {
          const at = <usize>n << shift;
          const to = row + (<usize>n << 2);
          let sum = load<f32>(to) + x0 * load1(format, r0 + at);
          if (left > 0) sum += x1 * load1(format, r1 + at);
          if (left > 1) sum += x2 * load1(format, r2 + at);
          if (left > 2) sum += x3 * load1(format, r3 + at);
          store<f32>(to, sum);
        }
      }
    }
  }
}

/** C [M, N] = alpha * A·B (+ C) for M <= 4, with B [K, N]: rows of B, scaled and added. */
export function axpyRows(
  format: i32, M: i32, N: i32, K: i32, a: usize, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32,
): void {
  if (format == 0) axpyRowsOf(0, M, N, K, a, b, ldb, c, ldc, alpha, accumulate);
  else if (format == 1) axpyRowsOf(1, M, N, K, a, b, ldb, c, ldc, alpha, accumulate);
  else axpyRowsOf(2, M, N, K, a, b, ldb, c, ldc, alpha, accumulate);
}
