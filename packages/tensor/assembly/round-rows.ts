// Rows of floats as integers, for products with matrices of 8 or 4 bits: each group of 32 with a scale of its own, in 16
// bits against int8 and in 8 bits against int4.

import { GROUP, INT4, INT8 } from "./int-format";
import { maxLanes } from "./simd";

/** A group of which no number is larger counts as zeros. */
// @ts-ignore: decorator
@inline
const TINY: f32 = 1e-30;

/**
 * Whether a product is taken of bytes: int4 with the relaxed dot product, whose second operand has 7 bits. All others are
 * of 16 bits. The sums are the same integers either way.
 */
// @ts-ignore: decorator
@inline
export function isNarrow(format: i32): bool {
  return format == INT4 && ASC_FEATURE_RELAXED_SIMD;
}

/** log2 of the bytes of a rounded group's numbers. */
// @ts-ignore: decorator
@inline
export function roundedShift(format: i32): i32 {
  return isNarrow(format) ? 5 : 6;
}

/** Bytes of a rounded group: its numbers, its scale, and where its sums start. */
// @ts-ignore: decorator
@inline
export function roundedGroupBytes(format: i32): usize {
  return (1 << roundedShift(format)) + 8;
}

// @ts-ignore: decorator
@inline
export function groupsOf(K: i32): i32 {
  return (K + GROUP - 1) / GROUP;
}

/** Bytes from one rounded row to the next. */
export function roundedStride(format: i32, K: i32): i32 {
  const room = K % GROUP == 0 ? 0 : GROUP * 4;
  return groupsOf(K) * <i32>roundedGroupBytes(format) + room;
}

/** Eight floats times `inverse`, rounded, in 16 bits. */
// @ts-ignore: decorator
@inline
function round8(src: usize, inverse: v128): v128 {
  const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(src), inverse)));
  const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(src, 16), inverse)));
  return i16x8.narrow_i32x4_s(low, high);
}

// @ts-ignore: decorator
@inline
function sumOf(x: v128): i32 {
  const pairs = i32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 2, 3));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/**
 * Rows [begin, end) of x, K floats each, as integers: x = scale * q, off by at most scale / 2, |q| being at most 32767
 * against int8 matrices and 127 against int4. A row takes `roundedStride` bytes; each group q, the scale, and where its sums
 * of products start, which for int4 is -8 * sum(q), so that the weights' zero moves from 8 to 0 (-32512 to 32512: it
 * fits 16 bits, as do all sums of bytes that begin there). An infinite or NaN number makes its group's scale that, and
 * the row's results NaN.
 */
export function roundRows(format: i32, K: i32, x: usize, dst: usize, begin: i32, end: i32): void {
  const groups = groupsOf(K);
  const stride = <usize>roundedStride(format, K);
  const most: f32 = format == INT8 ? 32767 : 127;
  for (let row = <usize>begin; row < <usize>end; row++) {
    const from = x + (row * <usize>K << 2), to = dst + row * stride;
    for (let g = 0; g < groups; g++) {
      let src = from + (<usize>g << 7);
      const count = K - g * GROUP;
      if (count < GROUP) {
        const room = to + stride - GROUP * 4;
        memory.fill(room, 0, GROUP * 4);
        memory.copy(room, src, <usize>count << 2);
        src = room;
      }
      let top = f32x4.abs(v128.load(src));
      for (let j = <usize>16; j < 128; j += 16) top = f32x4.max(top, f32x4.abs(v128.load(src + j)));
      const largest = maxLanes(top); // NaN if one is, and then so is the scale
      const inverse = f32x4.splat(largest > TINY ? most / largest : 0);
      const q0 = round8(src, inverse), q1 = round8(src + 32, inverse);
      const q2 = round8(src + 64, inverse), q3 = round8(src + 96, inverse);
      const at = to + <usize>g * roundedGroupBytes(format);
      if (isNarrow(format)) {
        v128.store(at, i8x16.narrow_i16x8_s(q0, q1));
        v128.store(at, i8x16.narrow_i16x8_s(q2, q3), 16);
      } else {
        v128.store(at, q0);
        v128.store(at, q1, 16);
        v128.store(at, q2, 32);
        v128.store(at, q3, 48);
      }
      const behind = at + (1 << roundedShift(format));
      store<f32>(behind, largest <= TINY ? 0 : largest / most);
      let start = 0;
      if (format == INT4) {
        const sums = i32x4.extadd_pairwise_i16x8_s(i16x8.add(i16x8.add(q0, q1), i16x8.add(q2, q3)));
        start = -8 * sumOf(sums);
        if (isNarrow(format)) start &= 0xffff; // the lower of a lane's two sums
      }
      store<i32>(behind, start, 4);
    }
  }
}
