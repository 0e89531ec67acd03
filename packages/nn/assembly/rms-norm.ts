import { dot } from "../../tensor/assembly/math";
import { madd } from "../../tensor/assembly/simd";

/**
 * y [rows, D] = x * inv * weight [D], with inv = 1 / sqrt(mean(x^2) + eps) of each row, for rows [begin, end).
 * `inv` [rows] is written for the gradient; 0 leaves it out. y may be x.
 */
export function rmsNorm(
  x: usize, weight: usize, D: i32, eps: f32, y: usize, inv: usize, begin: i32, end: i32,
): void {
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = x + (r * <usize>D << 2);
    const to = y + (r * <usize>D << 2);
    const factor = <f32>1 / sqrt(dot(row, row, D) / <f32>D + eps);
    if (inv) store<f32>(inv + (r << 2), factor);
    const by = f32x4.splat(factor);
    let j = 0;
    for (; j + 4 <= D; j += 4) {
      const at = <usize>j << 2;
      v128.store(to + at, f32x4.mul(f32x4.mul(v128.load(row + at), by), v128.load(weight + at)));
    }
    for (; j < D; j++) {
      const at = <usize>j << 2;
      store<f32>(to + at, load<f32>(row + at) * factor * load<f32>(weight + at));
    }
  }
}

/** a [D] += b [D], and b = 0. */
function flush(a: usize, b: usize, D: i32): void {
  for (let j = 0; j < D; j++) {
    const at = <usize>j << 2;
    store<f32>(a + at, load<f32>(a + at) + load<f32>(b + at));
  }
  memory.fill(b, 0, <usize>D << 2);
}

/**
 * Gradient of `rmsNorm`, from its `inv`, for rows [begin, end):
 * dx = inv * (g - x * inv^2 * mean(g * x)) with g = weight * dy; dWeight [D] = sum over these rows of dy * x * inv.
 * dWeight is overwritten, so each thread has its own, and they are added. scratch: 4 * D bytes. dx may be dy.
 */
export function rmsNormGrad(
  x: usize, weight: usize, dy: usize, inv: usize, D: i32, dx: usize, dWeight: usize, scratch: usize,
  begin: i32, end: i32,
): void {
  memory.fill(dWeight, 0, <usize>D << 2);
  memory.fill(scratch, 0, <usize>D << 2);
  for (let r = <usize>begin; r < <usize>end; r++) {
    const from = x + (r * <usize>D << 2);
    const up = dy + (r * <usize>D << 2);
    const to = dx + (r * <usize>D << 2);
    const factor = load<f32>(inv + (r << 2));
    const by = f32x4.splat(factor);

    let products = f32x4.splat(0);
    let j = 0;
    for (; j + 4 <= D; j += 4) {
      const at = <usize>j << 2;
      const dyx = f32x4.mul(v128.load(up + at), v128.load(from + at));
      products = madd(dyx, v128.load(weight + at), products);
      v128.store(scratch + at, madd(dyx, by, v128.load(scratch + at)));
    }
    let sum: f64 = 0;
    for (; j < D; j++) {
      const at = <usize>j << 2;
      const dyx = load<f32>(up + at) * load<f32>(from + at);
      sum += dyx * load<f32>(weight + at);
      store<f32>(scratch + at, load<f32>(scratch + at) + dyx * factor);
    }
    sum += <f64>f32x4.extract_lane(products, 0) + <f64>f32x4.extract_lane(products, 1);
    sum += <f64>f32x4.extract_lane(products, 2) + <f64>f32x4.extract_lane(products, 3);

    const pull = <f32>(sum / <f64>D) * factor * factor * factor;
    const back = f32x4.splat(-pull);
    for (j = 0; j + 4 <= D; j += 4) {
      const at = <usize>j << 2;
      const g = f32x4.mul(f32x4.mul(v128.load(up + at), v128.load(weight + at)), by);
      v128.store(to + at, madd(v128.load(from + at), back, g));
    }
    for (; j < D; j++) {
      const at = <usize>j << 2;
      const g = load<f32>(up + at) * load<f32>(weight + at) * factor;
      store<f32>(to + at, g - load<f32>(from + at) * pull);
    }
    if (((r - <usize>begin) & 63) == 63) flush(dWeight, scratch, D); // sums of sums: the error grows with 64 + rows / 64
  }
  flush(dWeight, scratch, D);
}
