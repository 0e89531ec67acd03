import { addToDoubles, sumDoubles } from "./simd";

/** The sum of the squares of n floats, in double precision. Threads take parts of the array and add what they get. */
export function sumSquares(src: usize, n: i32): f64 {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const x = v128.load(src + (<usize>i << 2));
    const low = f64x2.promote_low_f32x4(x);
    const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
    s0 = f64x2.add(s0, f64x2.mul(low, low));
    s1 = f64x2.add(s1, f64x2.mul(high, high));
  }
  let sum = sumDoubles(f64x2.add(s0, s1));
  for (; i < n; i++) {
    const x = <f64>load<f32>(src + (<usize>i << 2));
    sum += x * x;
  }
  return sum;
}

/** How many of n floats are infinite or NaN. */
export function countNonFinite(src: usize, n: i32): i32 {
  const exponent = i32x4.splat(0x7f800000);
  let counts = i32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const bits = v128.and(v128.load(src + (<usize>i << 2)), exponent);
    counts = i32x4.sub(counts, i32x4.eq(bits, exponent)); // true is -1
  }
  let count = i32x4.extract_lane(counts, 0) + i32x4.extract_lane(counts, 1);
  count += i32x4.extract_lane(counts, 2) + i32x4.extract_lane(counts, 3);
  for (; i < n; i++) count += i32((load<u32>(src + (<usize>i << 2)) & 0x7f800000) == 0x7f800000);
  return count;
}

/** dst [rows] = sums of src [rows, cols], added in double precision, for rows [begin, end). */
export function sumRows(src: usize, cols: i32, dst: usize, begin: i32, end: i32): void {
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = src + (r * <usize>cols << 2);
    let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
    let j = 0;
    for (; j + 8 <= cols; j += 8) {
      const at = row + (<usize>j << 2);
      s0 = addToDoubles(s0, v128.load(at));
      s1 = addToDoubles(s1, v128.load(at, 16));
    }
    let sum = sumDoubles(f64x2.add(s0, s1));
    for (; j < cols; j++) sum += <f64>load<f32>(row + (<usize>j << 2));
    store<f32>(dst + (r << 2), <f32>sum);
  }
}

// @ts-ignore: decorator
@inline
function widenLow(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}
// @ts-ignore: decorator
@inline
function widenHigh(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
}

// @ts-ignore: decorator
@inline
function put(dst: usize, low: v128, high: v128): void {
  const a = f32x4.demote_f64x2_zero(low), b = f32x4.demote_f64x2_zero(high);
  v128.store(dst, v128.shuffle<f32>(a, b, 0, 1, 4, 5));
}

/** Sums of 32 neighbouring columns over K rows: eight rows in float32, the sums of eights in double precision. */
function columns32(src: usize, stride: usize, K: i32, dst: usize): void {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
  let s4 = f64x2.splat(0), s5 = f64x2.splat(0), s6 = f64x2.splat(0), s7 = f64x2.splat(0);
  let s8 = f64x2.splat(0), s9 = f64x2.splat(0), s10 = f64x2.splat(0), s11 = f64x2.splat(0);
  let s12 = f64x2.splat(0), s13 = f64x2.splat(0), s14 = f64x2.splat(0), s15 = f64x2.splat(0);
  for (let k = 0; k < K; ) {
    const end = min(K, k + 8);
    let x0 = f32x4.splat(0), x1 = f32x4.splat(0), x2 = f32x4.splat(0), x3 = f32x4.splat(0);
    let x4 = f32x4.splat(0), x5 = f32x4.splat(0), x6 = f32x4.splat(0), x7 = f32x4.splat(0);
    for (; k < end; k++) {
      x0 = f32x4.add(x0, v128.load(src, 0));
      x1 = f32x4.add(x1, v128.load(src, 16));
      x2 = f32x4.add(x2, v128.load(src, 32));
      x3 = f32x4.add(x3, v128.load(src, 48));
      x4 = f32x4.add(x4, v128.load(src, 64));
      x5 = f32x4.add(x5, v128.load(src, 80));
      x6 = f32x4.add(x6, v128.load(src, 96));
      x7 = f32x4.add(x7, v128.load(src, 112));
      src += stride;
    }
    s0 = f64x2.add(s0, widenLow(x0));
    s1 = f64x2.add(s1, widenHigh(x0));
    s2 = f64x2.add(s2, widenLow(x1));
    s3 = f64x2.add(s3, widenHigh(x1));
    s4 = f64x2.add(s4, widenLow(x2));
    s5 = f64x2.add(s5, widenHigh(x2));
    s6 = f64x2.add(s6, widenLow(x3));
    s7 = f64x2.add(s7, widenHigh(x3));
    s8 = f64x2.add(s8, widenLow(x4));
    s9 = f64x2.add(s9, widenHigh(x4));
    s10 = f64x2.add(s10, widenLow(x5));
    s11 = f64x2.add(s11, widenHigh(x5));
    s12 = f64x2.add(s12, widenLow(x6));
    s13 = f64x2.add(s13, widenHigh(x6));
    s14 = f64x2.add(s14, widenLow(x7));
    s15 = f64x2.add(s15, widenHigh(x7));
  }
  put(dst, s0, s1);
  put(dst + 16, s2, s3);
  put(dst + 32, s4, s5);
  put(dst + 48, s6, s7);
  put(dst + 64, s8, s9);
  put(dst + 80, s10, s11);
  put(dst + 96, s12, s13);
  put(dst + 112, s14, s15);
}

/** Sums of 4 neighbouring columns over K rows, in double precision. */
function columns4(src: usize, stride: usize, K: i32, dst: usize): void {
  let low = f64x2.splat(0), high = f64x2.splat(0);
  for (let k = 0; k < K; k++) {
    const x = v128.load(src);
    low = f64x2.add(low, widenLow(x));
    high = f64x2.add(high, widenHigh(x));
    src += stride;
  }
  put(dst, low, high);
}

/** dst [outer, inner] = sums of src [outer, K, inner] over K, to 3e-7 of the sum of the magnitudes, for outer in [begin, end). */
export function sumColumns(src: usize, K: i32, inner: i32, dst: usize, begin: i32, end: i32): void {
  const stride = <usize>inner << 2;
  for (let o = <usize>begin; o < <usize>end; o++) {
    const from = src + o * <usize>K * stride;
    const to = dst + o * stride;
    let i = 0;
    for (; i + 32 <= inner; i += 32) columns32(from + (<usize>i << 2), stride, K, to + (<usize>i << 2));
    for (; i + 4 <= inner; i += 4) columns4(from + (<usize>i << 2), stride, K, to + (<usize>i << 2));
    for (; i < inner; i++) {
      let sum: f64 = 0;
      for (let k = <usize>0; k < <usize>K; k++) sum += load<f32>(from + k * stride + (<usize>i << 2));
      store<f32>(to + (<usize>i << 2), <f32>sum);
    }
  }
}
