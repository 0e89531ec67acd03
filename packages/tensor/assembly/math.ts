// Exponentials and logarithms without tables (a module over a foreign heap has no data of its own).

import { addToDoubles, constant, floatConstant, madd, maxLanes, nmadd, sumDoubles } from "./simd";

/**
 * exp(x) of four floats by n = round(x / ln 2), a polynomial on x - n ln 2 (Cephes expf), and n added to the exponent.
 * Relative error below 2e-7 in [-86.9, 88]; 0 below, exp(88) above; NaN stays. The constants are the caller's, so that
 * they are made outside its loop.
 */
// @ts-ignore: decorator
@inline
function exp4(
  x: v128, log2e: v128, round: v128, ln2High: v128, ln2Low: v128,
  p5: v128, p4: v128, p3: v128, p2: v128, p1: v128, half: v128, one: v128, lowest: v128, highest: v128,
): v128 {
  const y = f32x4.pmin(x, highest); // pmin(NaN, h) is NaN
  const shifted = madd(y, log2e, round); // its low bits are n
  const n = f32x4.sub(shifted, round);
  const r = nmadd(n, ln2Low, nmadd(n, ln2High, y));
  let p = madd(p5, r, p4);
  p = madd(p, r, p3);
  p = madd(p, r, p2);
  p = madd(p, r, p1);
  p = madd(p, r, half);
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), one);
  return v128.andnot(i32x4.add(p, i32x4.shl(shifted, 23)), f32x4.lt(x, lowest));
}

// @ts-ignore: decorator
@inline
function expRowOf(keep: bool, src: usize, n: i32, scale: f32, shift: f32, dst: usize): f64 {
  const log2e = floatConstant(1.44269504088896341), round = floatConstant(12582912.0); // 1.5 * 2^23
  const ln2High = floatConstant(0.693359375), ln2Low = floatConstant(-2.12194440e-4);
  const p5 = floatConstant(1.9875691500e-4), p4 = floatConstant(1.3981999507e-3);
  const p3 = floatConstant(8.3334519073e-3), p2 = floatConstant(4.1665795894e-2);
  const p1 = floatConstant(1.6666665459e-1), half = floatConstant(0.5), one = floatConstant(1);
  const lowest = floatConstant(-86.9), highest = floatConstant(88);
  const factor = f32x4.splat(scale), offset = f32x4.splat(shift);
  let total = f64x2.splat(0);
  let i = 0;
  while (i + 4 <= n) {
    const end = min(n - 3, i + 128); // partial sums of 32 floats a lane, then doubles
    let sum = f32x4.splat(0);
    for (; i < end; i += 4) {
      const at = <usize>i << 2;
      const x = f32x4.sub(f32x4.mul(v128.load(src + at), factor), offset);
      const e = exp4(x, log2e, round, ln2High, ln2Low, p5, p4, p3, p2, p1, half, one, lowest, highest);
      if (keep) v128.store(dst + at, e);
      sum = f32x4.add(sum, e);
    }
    total = addToDoubles(total, sum);
  }
  let result = sumDoubles(total);
  for (; i < n; i++) {
    const at = <usize>i << 2;
    const x = f32x4.splat(load<f32>(src + at) * scale - shift);
    const e = f32x4.extract_lane(
      exp4(x, log2e, round, ln2High, ln2Low, p5, p4, p3, p2, p1, half, one, lowest, highest), 0,
    );
    if (keep) store<f32>(dst + at, e);
    result += e;
  }
  return result;
}

/** dst [n] = exp(scale * src [n] - shift), which may be src itself; returns the sum. */
export function expRow(src: usize, n: i32, scale: f32, shift: f32, dst: usize): f64 {
  return expRowOf(true, src, n, scale, shift, dst);
}

/** The sum of exp(src [n] - shift). */
export function expSum(src: usize, n: i32, shift: f32): f64 {
  return expRowOf(false, src, n, 1, shift, 0);
}

/** The sum of exp(scale * src [n] - shift). */
export function expScaledSum(src: usize, n: i32, scale: f32, shift: f32): f64 {
  return expRowOf(false, src, n, scale, shift, 0);
}

/** The largest of n floats; NaN are passed over; -Infinity for n = 0. */
export function maxRow(src: usize, n: i32): f32 {
  let top = constant(0xff800000);
  let i = 0;
  for (; i + 4 <= n; i += 4) top = f32x4.pmax(top, v128.load(src + (<usize>i << 2)));
  let result = maxLanes(top);
  for (; i < n; i++) {
    const x = load<f32>(src + (<usize>i << 2));
    if (x > result) result = x;
  }
  return result;
}

/** ln x of a positive, normal double, to 1e-12: the series of atanh on the mantissa. */
export function log(x: f64): f64 {
  if (!(x > 0)) return x == 0 ? -Infinity : NaN;
  if (x == Infinity) return x;
  const bits = reinterpret<i64>(x);
  let exponent = <i32>(bits >> 52) - 1023;
  let mantissa = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000); // in [1, 2)
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    exponent++;
  }
  const s = (mantissa - 1) / (mantissa + 1); // |s| < 0.172
  const q = s * s;
  const series = 1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13))))));
  return <f64>exponent * 0.6931471805599453 + 2 * s * series;
}

/** dst [n] *= factor. */
export function scaleRow(dst: usize, n: i32, factor: f32): void {
  const by = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const at = dst + (<usize>i << 2);
    v128.store(at, f32x4.mul(v128.load(at), by));
  }
  for (; i < n; i++) {
    const at = dst + (<usize>i << 2);
    store<f32>(at, load<f32>(at) * factor);
  }
}

/** The dot product of n floats. */
export function dot(a: usize, b: usize, n: i32): f32 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const at = <usize>i << 2;
    s0 = madd(v128.load(a + at), v128.load(b + at), s0);
    s1 = madd(v128.load(a + at, 16), v128.load(b + at, 16), s1);
  }
  let sum = sumDoubles(addToDoubles(f64x2.splat(0), f32x4.add(s0, s1)));
  for (; i < n; i++) {
    const at = <usize>i << 2;
    sum += <f64>load<f32>(a + at) * <f64>load<f32>(b + at);
  }
  return <f32>sum;
}
