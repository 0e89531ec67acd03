import { expRow } from "../../tensor/assembly/math";
import { floatConstant, madd } from "../../tensor/assembly/simd";

/** Numbers at a time, so that the exponentials are still in the first cache when they are used. */
// @ts-ignore: decorator
@inline
const CHUNK: i32 = 1024;

/**
 * The normal distribution's mass beyond |x|, from e = exp(-x^2 / 2): e * t * P(t) with t = 1 / (1 + 0.305 |x|).
 * P is of degree 7, by Remez for |x| <= 14: relative error 9.4e-8 before rounding. The constants are the caller's.
 */
// @ts-ignore: decorator
@inline
function tail4(
  x: v128, e: v128, one: v128, slope: v128,
  p7: v128, p6: v128, p5: v128, p4: v128, p3: v128, p2: v128, p1: v128, p0: v128,
): v128 {
  const t = f32x4.div(one, madd(f32x4.abs(x), slope, one));
  let p = madd(p7, t, p6);
  p = madd(p, t, p5);
  p = madd(p, t, p4);
  p = madd(p, t, p3);
  p = madd(p, t, p2);
  p = madd(p, t, p1);
  p = madd(p, t, p0);
  return f32x4.mul(e, f32x4.mul(t, p));
}

/** y = x * Phi(x), or with dy the gradient y = dy * (Phi(x) + x * phi(x)), of elements [begin, end). y is neither x nor dy. */
// @ts-ignore: decorator
@inline
function geluOf(gradient: bool, x: usize, dy: usize, y: usize, begin: i32, end: i32): void {
  const one = floatConstant(1), slope = floatConstant(0.305), density = floatConstant(0.3989422804014327);
  const p0 = floatConstant(1.2163973267e-1), p1 = floatConstant(1.2246681662e-1);
  const p2 = floatConstant(1.0342086878e-1), p3 = floatConstant(1.2102167075e-1);
  const p4 = floatConstant(-3.7976815861e-2), p5 = floatConstant(1.8571689258e-1);
  const p6 = floatConstant(-1.5298830860e-1), p7 = floatConstant(3.6699190058e-2);
  const zero = f32x4.splat(0);
  for (let first = begin; first < end; first += CHUNK) {
    const n = min(CHUNK, end - first);
    const from = x + (<usize>first << 2);
    const up = dy + (<usize>first << 2);
    const to = y + (<usize>first << 2);
    let j = 0;
    for (; j + 4 <= n; j += 4) {
      const v = v128.load(from + (<usize>j << 2));
      v128.store(to + (<usize>j << 2), f32x4.mul(v, v));
    }
    for (; j < n; j++) {
      const v = load<f32>(from + (<usize>j << 2));
      store<f32>(to + (<usize>j << 2), v * v);
    }
    expRow(to, n, -0.5, 0, to);
    for (j = 0; j < n; j += 4) {
      const at = <usize>j << 2;
      const whole = j + 4 <= n;
      // The last few go one by one through the same lanes, so that no range changes a result.
      const steps = whole ? 1 : n - j;
      for (let k = 0; k < steps; k++) {
        const here = at + (<usize>k << 2);
        const v = whole ? v128.load(from + here) : f32x4.splat(load<f32>(from + here));
        const e = whole ? v128.load(to + here) : f32x4.splat(load<f32>(to + here));
        const tail = tail4(v, e, one, slope, p7, p6, p5, p4, p3, p2, p1, p0);
        const mass = v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(v, zero));
        let result: v128;
        if (gradient) {
          const above = whole ? v128.load(up + here) : f32x4.splat(load<f32>(up + here));
          result = f32x4.mul(above, madd(f32x4.mul(v, e), density, mass));
        } else result = f32x4.mul(v, mass);
        if (whole) v128.store(to + here, result);
        else store<f32>(to + here, f32x4.extract_lane(result, 0));
      }
    }
  }
}

/** y = x * Phi(x), Phi being the normal distribution, for elements [begin, end). y is not x. */
export function gelu(x: usize, y: usize, begin: i32, end: i32): void {
  geluOf(false, x, 0, y, begin, end);
}

/** Gradient of `gelu`: dx = dy * (Phi(x) + x * phi(x)), for elements [begin, end). dx is neither x nor dy. */
export function geluGrad(x: usize, dy: usize, dx: usize, begin: i32, end: i32): void {
  geluOf(true, x, dy, dx, begin, end);
}
