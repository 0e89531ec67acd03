// The 6x8 micro-kernel: 12 accumulators, 2 registers of B and 1 of A, all 15 that V8 leaves a function on x64.

import { madd } from "./simd";

// @ts-ignore: decorator
@inline
function put(c: usize, alpha: v128, x0: v128, x1: v128, accumulate: i32): void {
  if (accumulate) {
    v128.store(c, madd(alpha, x0, v128.load(c)));
    v128.store(c, madd(alpha, x1, v128.load(c, 16)), 16);
  } else {
    v128.store(c, f32x4.mul(alpha, x0));
    v128.store(c, f32x4.mul(alpha, x1), 16);
  }
}

/**
 * C [6, 8] = alpha * A·B (+ C) from a panel of A (k steps of 6) and one of B (k steps of 8).
 * k is even and at least 2; `stride` is the distance of two rows of C in bytes.
 */
export function microKernel(K: i32, pa: usize, pb: usize, c: usize, stride: usize, alpha: f32, accumulate: i32): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0), c51 = f32x4.splat(0);
  let a: v128, b0: v128, b1: v128;
  let k = K;
  do {
    b0 = v128.load(pb);
    b1 = v128.load(pb, 16);
    a = v128.load32_splat(pa);
    c00 = madd(a, b0, c00);
    c01 = madd(a, b1, c01);
    a = v128.load32_splat(pa, 4);
    c10 = madd(a, b0, c10);
    c11 = madd(a, b1, c11);
    a = v128.load32_splat(pa, 8);
    c20 = madd(a, b0, c20);
    c21 = madd(a, b1, c21);
    a = v128.load32_splat(pa, 12);
    c30 = madd(a, b0, c30);
    c31 = madd(a, b1, c31);
    a = v128.load32_splat(pa, 16);
    c40 = madd(a, b0, c40);
    c41 = madd(a, b1, c41);
    a = v128.load32_splat(pa, 20);
    c50 = madd(a, b0, c50);
    c51 = madd(a, b1, c51);
    // Never true. Without a branch here Binaryen nests the second step's FMAs into the first's, whose operands then
    // are all loaded before any is used: more registers than there are, and a third of the speed lost to spills.
    if (k < 0) break;
    b0 = v128.load(pb, 32);
    b1 = v128.load(pb, 48);
    a = v128.load32_splat(pa, 24);
    c00 = madd(a, b0, c00);
    c01 = madd(a, b1, c01);
    a = v128.load32_splat(pa, 28);
    c10 = madd(a, b0, c10);
    c11 = madd(a, b1, c11);
    a = v128.load32_splat(pa, 32);
    c20 = madd(a, b0, c20);
    c21 = madd(a, b1, c21);
    a = v128.load32_splat(pa, 36);
    c30 = madd(a, b0, c30);
    c31 = madd(a, b1, c31);
    a = v128.load32_splat(pa, 40);
    c40 = madd(a, b0, c40);
    c41 = madd(a, b1, c41);
    a = v128.load32_splat(pa, 44);
    c50 = madd(a, b0, c50);
    c51 = madd(a, b1, c51);
    pa += 48;
    pb += 64;
    k -= 2;
  } while (k > 0);

  const scale = f32x4.splat(alpha);
  put(c, scale, c00, c01, accumulate);
  put(c + stride, scale, c10, c11, accumulate);
  put(c + 2 * stride, scale, c20, c21, accumulate);
  put(c + 3 * stride, scale, c30, c31, accumulate);
  put(c + 4 * stride, scale, c40, c41, accumulate);
  put(c + 5 * stride, scale, c50, c51, accumulate);
}
