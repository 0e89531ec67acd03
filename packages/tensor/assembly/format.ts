// How a matrix of weights is stored, and how four of its numbers become f32x4.

import { constant } from "./simd";

// @ts-ignore: decorator
@inline
export const F32: i32 = 0;
// @ts-ignore: decorator
@inline
export const F16: i32 = 1;
// @ts-ignore: decorator
@inline
export const BF16: i32 = 2;

/** log2 of the bytes of one number. */
// @ts-ignore: decorator
@inline
export function shiftOf(format: i32): i32 {
  return format == F32 ? 2 : 1;
}

/** The bits of f32 that an f16 fills, once it is sign-extended and moved up by 13. */
// @ts-ignore: decorator
@inline
export function fieldsOf(format: i32): v128 {
  return format == F16 ? constant(0x8fffe000) : i32x4.splat(0);
}

/** What moves f16's exponent to f32's: 2^112. */
// @ts-ignore: decorator
@inline
export function scaleOf(format: i32): v128 {
  return format == F16 ? constant((127 + 112) << 23) : i32x4.splat(0);
}

/**
 * Four consecutive numbers at `p`, exact, f16 subnormals included. An f16 must be finite: infinities and NaN read as
 * +-65536 and more. `fields` and `scale` come from `fieldsOf` and `scaleOf`, outside the loop.
 */
// @ts-ignore: decorator
@inline
export function load4(format: i32, p: usize, fields: v128, scale: v128): v128 {
  if (format == F32) return v128.load(p);
  if (format == BF16) return i32x4.shl(v128.load_ext<u16>(p), 16);
  return f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(p), 13), fields), scale);
}

/** One number at `p`, as `load4` reads it. */
// @ts-ignore: decorator
@inline
export function load1(format: i32, p: usize): f32 {
  if (format == F32) return load<f32>(p);
  if (format == BF16) return reinterpret<f32>(<i32>load<u16>(p) << 16);
  return reinterpret<f32>((<i32>load<i16>(p) << 13) & 0x8fffe000) * reinterpret<f32>((127 + 112) << 23);
}

/** How many of n f16 numbers are infinite or NaN, which `load4` cannot read. */
export function countNonFiniteF16(src: usize, n: i32): i32 {
  let count = 0;
  for (let i = 0; i < n; i++) count += i32((load<u16>(src + (<usize>i << 1)) & 0x7c00) == 0x7c00);
  return count;
}
