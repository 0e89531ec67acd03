// Small vocabulary over v128 that every kernel shares. Addresses are in bytes; "f32x4" means four floats.

/** a * b + c per lane: fused where the build may use relaxed SIMD and the CPU has it, else two roundings. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<f32>(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c - a * b per lane. */
// @ts-ignore: decorator
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_nmadd<f32>(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** The sum of the four lanes, in pairs. */
// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<f32>(x, x, 2, 3, 2, 3));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The largest of the four lanes. */
// @ts-ignore: decorator
@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.max(x, v128.shuffle<f32>(x, x, 2, 3, 2, 3));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Adds the four lanes of x to two double sums: lanes 0 and 2, lanes 1 and 3. */
// @ts-ignore: decorator
@inline
export function addToDoubles(sum: v128, x: v128): v128 {
  const low = f64x2.promote_low_f32x4(x);
  const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
  return f64x2.add(sum, f64x2.add(low, high));
}

/** The sum of the two double lanes. */
// @ts-ignore: decorator
@inline
export function sumDoubles(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

/**
 * Four copies of a number given by its bits, made once and kept in a register. V8 builds a plain v128 constant anew
 * (six instructions) wherever it is used, so a constant in a loop must look like a variable: memory has at most 65536
 * pages, which no optimizer knows.
 */
// @ts-ignore: decorator
@inline
export function constant(bits: i32): v128 {
  return i32x4.splat(bits + (memory.size() >>> 20));
}

/** Four copies of a float, made once and kept in a register: see `constant`. */
// @ts-ignore: decorator
@inline
export function floatConstant(value: f32): v128 {
  return constant(reinterpret<i32>(value));
}
