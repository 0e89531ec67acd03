// Products of few rows (decoding): bound by reading B once, so B is not packed. A is f32; B in any format, decoded on
// the fly. What a row of C gets does not depend on how many rows there are, nor on which columns are computed with it.

import { F16, F32, fieldsOf, load1, load4, scaleOf, shiftOf } from "./format";
import { constant, madd, maxLanes, sumLanes } from "./simd";

// @ts-ignore: decorator
@inline
const HALVES_EXPONENT: i32 = 112; // f16 numbers whose bits are moved into f32 are 2^-112 of what they stand for

/** Numbers of a row of A that `prepareRows` writes: the row, up to a multiple of eight, and what undoes its scale. */
// @ts-ignore: decorator
@inline
export function preparedStride(K: i32): i32 {
  return ((K + 7) & ~7) + 8;
}

/** The largest absolute value of n numbers, `step` bytes apart; NaN if one is. */
function largest(src: usize, step: usize, n: i32): f32 {
  let top: f32 = 0;
  for (let i = <usize>0; i < <usize>n; i++) top = max(top, abs(load<f32>(src + i * step)));
  return top;
}

/** The largest absolute value of n neighbouring numbers; NaN if one is. */
function largestOf(src: usize, n: i32): f32 {
  let top = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) top = f32x4.max(top, f32x4.abs(v128.load(src + (<usize>i << 2))));
  return max(maxLanes(top), largest(src + (<usize>i << 2), 4, n - i));
}

/**
 * The rows of A as `dotRows` reads them against halves: of each eight numbers first those with even, then those with
 * odd index, since two halves lie in one 32-bit lane. Against f16 a row is multiplied by a power of two, 2^112 where
 * its numbers allow, which spares the product that widening a half needs. The factor that undoes what is missing to
 * 2^112 stands behind the row.
 *
 * @param lda - distance of two rows of A, or of two columns when transA is 1, in numbers
 */
export function prepareRows(format: i32, transA: i32, M: i32, K: i32, a: usize, lda: i32, dst: usize): void {
  const along = transA ? <usize>lda << 2 : 4;
  const down = transA ? 4 : <usize>lda << 2;
  const stride = <usize>preparedStride(K) << 2;
  const whole = K & ~7;
  for (let m = 0; m < M; m++) {
    let exponent = 0;
    if (format == F16) {
      const top = transA ? largest(a, along, K) : largestOf(a, K);
      const bits = top > 0 ? reinterpret<i32>(top) >>> 23 : 0; // 0 too where top is NaN: then the result is
      exponent = min(HALVES_EXPONENT, 253 - bits);
    }
    const factor = reinterpret<f32>((127 + exponent) << 23);
    const scale = f32x4.splat(factor);
    let k = 0;
    if (!transA) {
      for (; k < whole; k += 8) {
        const at = <usize>k << 2;
        const low = f32x4.mul(v128.load(a + at), scale), high = f32x4.mul(v128.load(a + at, 16), scale);
        v128.store(dst + at, v128.shuffle<f32>(low, high, 0, 2, 4, 6));
        v128.store(dst + at, v128.shuffle<f32>(low, high, 1, 3, 5, 7), 16);
      }
    }
    for (; k < K; k++) {
      const to = k < whole ? (k & ~7) + ((k & 1) << 2) + ((k & 7) >> 1) : k;
      store<f32>(dst + (<usize>to << 2), load<f32>(a + <usize>k * along) * factor);
    }
    const undo = format == F16 ? reinterpret<f32>((127 + HALVES_EXPONENT - exponent) << 23) : 1;
    store<f32>(dst + stride - 32, undo);
    a += down;
    dst += stride;
  }
}

/** The even (`odd` false) or odd ones of eight halves as f32, an f16 as 2^-112 of itself. */
// @ts-ignore: decorator
@inline
function everyOther(format: i32, odd: bool, halves: v128, fields: v128): v128 {
  if (format == F16) return v128.and(i32x4.shr_s(odd ? halves : i32x4.shl(halves, 16), 3), fields);
  return odd ? v128.and(halves, fields) : i32x4.shl(halves, 16);
}

/** One number of B as `everyOther` gives it. */
// @ts-ignore: decorator
@inline
function single(format: i32, p: usize): f32 {
  if (format == F16) return reinterpret<f32>((<i32>load<i16>(p) << 13) & 0x8fffe000);
  return load1(format, p);
}

// @ts-ignore: decorator
@inline
function put(c: usize, value: f32, accumulate: i32): void {
  store<f32>(c, accumulate ? load<f32>(c) + value : value);
}

/** The numbers of C at one or two rows of A and one or two rows of B: their dot products, in two sums of four lanes. */
// @ts-ignore: decorator
@inline
function dots(
  format: i32, twoA: bool, twoB: bool, K: i32, a: usize, aStride: usize, b: usize, bStride: usize,
  c: usize, cDown: usize, cAlong: usize, alpha: f32, accumulate: i32,
): void {
  const fields = constant(format == F16 ? 0x8fffe000 : 0xffff0000);
  const shift = shiftOf(format);
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), t0 = f32x4.splat(0), t1 = f32x4.splat(0);
  let u0 = f32x4.splat(0), u1 = f32x4.splat(0), v0 = f32x4.splat(0), v1 = f32x4.splat(0);
  let k = 0;
  for (; k + 8 <= K; k += 8) {
    const x = a + (<usize>k << 2);
    const w = b + (<usize>k << shift);
    const left = v128.load(w);
    const right = twoB ? v128.load(w + bStride) : left;
    let p = format == F32 ? left : everyOther(format, false, left, fields);
    let q = format == F32 ? right : everyOther(format, false, right, fields);
    let y = v128.load(x);
    s0 = madd(y, p, s0);
    if (twoB) t0 = madd(y, q, t0);
    if (twoA) {
      y = v128.load(x + aStride);
      u0 = madd(y, p, u0);
      if (twoB) v0 = madd(y, q, v0);
    }
    p = format == F32 ? v128.load(w, 16) : everyOther(format, true, left, fields);
    if (twoB) q = format == F32 ? v128.load(w + bStride, 16) : everyOther(format, true, right, fields);
    y = v128.load(x, 16);
    s1 = madd(y, p, s1);
    if (twoB) t1 = madd(y, q, t1);
    if (twoA) {
      y = v128.load(x + aStride, 16);
      u1 = madd(y, p, u1);
      if (twoB) v1 = madd(y, q, v1);
    }
  }
  let s = sumLanes(f32x4.add(s0, s1)), t = sumLanes(f32x4.add(t0, t1));
  let u = sumLanes(f32x4.add(u0, u1)), v = sumLanes(f32x4.add(v0, v1));
  for (; k < K; k++) {
    const x = a + (<usize>k << 2);
    const w = b + (<usize>k << shift);
    const p = single(format, w);
    s += load<f32>(x) * p;
    if (twoA) u += load<f32>(x + aStride) * p;
    if (twoB) {
      const q = single(format, w + bStride);
      t += load<f32>(x) * q;
      if (twoA) v += load<f32>(x + aStride) * q;
    }
  }
  const first = format == F16 ? alpha * load<f32>(a + aStride - 32) : alpha;
  put(c, first * s, accumulate);
  if (twoB) put(c + cAlong, first * t, accumulate);
  if (twoA) {
    const second = format == F16 ? alpha * load<f32>(a + 2 * aStride - 32) : alpha;
    put(c + cDown, second * u, accumulate);
    if (twoB) put(c + cDown + cAlong, second * v, accumulate);
  }
}

/** Dot products of one row of A with four rows of B, `bStride` bytes apart: what `dots` gives for each. */
// @ts-ignore: decorator
@inline
function fourDots(
  format: i32, K: i32, a: usize, aStride: usize, b: usize, bStride: usize, c: usize, cAlong: usize,
  alpha: f32, accumulate: i32,
): void {
  const fields = constant(format == F16 ? 0x8fffe000 : 0xffff0000);
  const shift = shiftOf(format);
  const b1 = b + bStride, b2 = b1 + bStride, b3 = b2 + bStride;
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), t0 = f32x4.splat(0), t1 = f32x4.splat(0);
  let u0 = f32x4.splat(0), u1 = f32x4.splat(0), v0 = f32x4.splat(0), v1 = f32x4.splat(0);
  let k = 0;
  for (; k + 8 <= K; k += 8) {
    const x = a + (<usize>k << 2);
    const at = <usize>k << shift;
    const x0 = v128.load(x), x1 = v128.load(x, 16);
    let w = v128.load(b + at);
    s0 = madd(x0, format == F32 ? w : everyOther(format, false, w, fields), s0);
    s1 = madd(x1, format == F32 ? v128.load(b + at, 16) : everyOther(format, true, w, fields), s1);
    w = v128.load(b1 + at);
    t0 = madd(x0, format == F32 ? w : everyOther(format, false, w, fields), t0);
    t1 = madd(x1, format == F32 ? v128.load(b1 + at, 16) : everyOther(format, true, w, fields), t1);
    w = v128.load(b2 + at);
    u0 = madd(x0, format == F32 ? w : everyOther(format, false, w, fields), u0);
    u1 = madd(x1, format == F32 ? v128.load(b2 + at, 16) : everyOther(format, true, w, fields), u1);
    w = v128.load(b3 + at);
    v0 = madd(x0, format == F32 ? w : everyOther(format, false, w, fields), v0);
    v1 = madd(x1, format == F32 ? v128.load(b3 + at, 16) : everyOther(format, true, w, fields), v1);
  }
  let s = sumLanes(f32x4.add(s0, s1)), t = sumLanes(f32x4.add(t0, t1));
  let u = sumLanes(f32x4.add(u0, u1)), v = sumLanes(f32x4.add(v0, v1));
  for (; k < K; k++) {
    const x = load<f32>(a + (<usize>k << 2));
    const at = <usize>k << shift;
    s += x * single(format, b + at);
    t += x * single(format, b1 + at);
    u += x * single(format, b2 + at);
    v += x * single(format, b3 + at);
  }
  const factor = format == F16 ? alpha * load<f32>(a + aStride - 32) : alpha;
  put(c, factor * s, accumulate);
  put(c + cAlong, factor * t, accumulate);
  put(c + 2 * cAlong, factor * u, accumulate);
  put(c + 3 * cAlong, factor * v, accumulate);
}

// @ts-ignore: decorator
@inline
function dotRowsOf(
  format: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32,
): void {
  const bStride = <usize>ldb << shiftOf(format);
  const down = <usize>ldc << 2;
  if (M == 1 && N >= 4) {
    // Four rows of B share a row of A that may not stay in the first cache while they pass.
    const quarter = N >> 2;
    const apart = <usize>quarter * bStride;
    for (let n = 0; n < quarter; n++) {
      fourDots(format, K, a, aStride, b, apart, c, <usize>quarter << 2, alpha, accumulate);
      b += bStride;
      c += 4;
    }
    b += 3 * apart;
    c += 3 * (<usize>quarter << 2);
    N -= 4 * quarter;
  }
  // Two rows of B at a time, half the matrix apart: each is part of one long stream, which the memory's prefetcher
  // follows. Neighbours would be two streams that skip a row every row, at half the speed.
  const half = N >> 1;
  const apart = <usize>half * bStride;
  const along = <usize>half << 2;
  for (let n = 0; n < half; n++) {
    let x = a, to = c;
    let m = 0;
    for (; m + 2 <= M; m += 2) {
      dots(format, true, true, K, x, aStride, b, apart, to, down, along, alpha, accumulate);
      x += 2 * aStride;
      to += 2 * down;
    }
    if (m < M) dots(format, false, true, K, x, aStride, b, apart, to, down, along, alpha, accumulate);
    b += bStride;
    c += 4;
  }
  if (N & 1) {
    b += apart;
    c += along;
    for (let m = 0; m < M; m++) {
      dots(format, false, false, K, a, aStride, b, 0, c, down, 0, alpha, accumulate);
      a += aStride;
      c += down;
    }
  }
}

/**
 * C [M, N] = alpha * A·Bᵀ (+ C), with B [N, K]. `aStride`: bytes from row to row of A, which are as they are for f32
 * and from `prepareRows` for halves.
 */
export function dotRows(
  format: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32,
): void {
  if (format == 0) dotRowsOf(0, M, N, K, a, aStride, b, ldb, c, ldc, alpha, accumulate);
  else if (format == 1) dotRowsOf(1, M, N, K, a, aStride, b, ldb, c, ldc, alpha, accumulate);
  else dotRowsOf(2, M, N, K, a, aStride, b, ldb, c, ldc, alpha, accumulate);
}

/** c [n] += x0 b0 + x1 b1 + x2 b2 + x3 b3, rows of B `apart` bytes apart; with one row (`four` false) only x0 b0. */
// @ts-ignore: decorator
@inline
function addScaledRows(
  format: i32, four: bool, n: i32, x0: f32, x1: f32, x2: f32, x3: f32, b: usize, apart: usize, c: usize,
): void {
  const fields = fieldsOf(format), scale = scaleOf(format);
  const shift = shiftOf(format);
  const b1 = b + apart, b2 = b1 + apart, b3 = b2 + apart;
  const v0 = f32x4.splat(x0), v1 = f32x4.splat(x1), v2 = f32x4.splat(x2), v3 = f32x4.splat(x3);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const at = <usize>i << shift;
    const to = c + (<usize>i << 2);
    let sum = madd(v0, load4(format, b + at, fields, scale), v128.load(to));
    if (four) {
      sum = madd(v1, load4(format, b1 + at, fields, scale), sum);
      sum = madd(v2, load4(format, b2 + at, fields, scale), sum);
      sum = madd(v3, load4(format, b3 + at, fields, scale), sum);
    }
    v128.store(to, sum);
  }
  for (; i < n; i++) {
    const at = <usize>i << shift;
    const to = c + (<usize>i << 2);
    let sum = load<f32>(to) + x0 * load1(format, b + at);
    if (four) {
      sum += x1 * load1(format, b1 + at);
      sum += x2 * load1(format, b2 + at);
      sum += x3 * load1(format, b3 + at);
    }
    store<f32>(to, sum);
  }
}

// @ts-ignore: decorator
@inline
function axpyRowsOf(
  format: i32, M: i32, N: i32, K: i32, a: usize, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32,
): void {
  const shift = shiftOf(format);
  const bStride = <usize>ldb << shift;
  if (!accumulate) for (let m = 0; m < M; m++) memory.fill(c + (<usize>m * <usize>ldc << 2), 0, <usize>N << 2);
  // Columns in blocks whose part of C stays in the first cache; four rows of B at a time, a quarter of the matrix apart:
  // each is part of one long stream, which the memory's prefetcher follows.
  const quarter = K >> 2;
  const apart = <usize>quarter * bStride;
  const width = (4096 / M) & ~3; // whole vectors, or a column's sum would depend on M
  for (let n = 0; n < N; n += width) {
    const cols = min(width, N - n);
    const block = b + (<usize>n << shift);
    for (let k = 0; k < quarter; k++) {
      for (let m = 0; m < M; m++) {
        const x = a + (<usize>(m * K + k) << 2);
        const step = <usize>quarter << 2;
        addScaledRows(
          format, true, cols, alpha * load<f32>(x), alpha * load<f32>(x + step), alpha * load<f32>(x + 2 * step),
          alpha * load<f32>(x + 3 * step), block + <usize>k * bStride, apart, c + (<usize>m * <usize>ldc + <usize>n << 2),
        );
      }
    }
    for (let k = 4 * quarter; k < K; k++) {
      for (let m = 0; m < M; m++) {
        const x = alpha * load<f32>(a + (<usize>(m * K + k) << 2));
        const to = c + (<usize>m * <usize>ldc + <usize>n << 2);
        addScaledRows(format, false, cols, x, 0, 0, 0, block + <usize>k * bStride, 0, to);
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
