/**
 * One AdamW step for elements [begin, end), in one pass, rounded where torch rounds (float32):
 * g = gradScale * g;  m' = m + (1 - beta1) (g - m);  v' = beta2 v + (1 - beta2) g^2;
 * w' = w (1 - lr decay) - (lr / correction1) m' / (sqrt(v') / sqrt(correction2) + eps).
 * correction1 = 1 - beta1^step, correction2 = 1 - beta2^step, 1 for none. The outputs may be the inputs.
 */
export function adamw(
  w: usize, g: usize, m: usize, v: usize, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64,
  correction1: f64, correction2: f64, gradScale: f32, wOut: usize, mOut: usize, vOut: usize, begin: i32, end: i32,
): void {
  const keep = <f32>(1 - lr * decay);
  const blend1 = <f32>(1 - beta1);
  const keep2 = <f32>beta2;
  const blend2 = <f32>(1 - beta2);
  const step = <f32>(lr / correction1);
  const root = <f32>sqrt(correction2);
  const small = <f32>eps;
  const keeps = f32x4.splat(keep), blend1s = f32x4.splat(blend1), keep2s = f32x4.splat(keep2);
  const blend2s = f32x4.splat(blend2), steps = f32x4.splat(step), roots = f32x4.splat(root);
  const smalls = f32x4.splat(small), scales = f32x4.splat(gradScale);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = <usize>i << 2;
    const grad = f32x4.mul(v128.load(g + at), scales);
    const before = v128.load(m + at);
    const mean = f32x4.add(before, f32x4.mul(f32x4.sub(grad, before), blend1s));
    const square = f32x4.add(f32x4.mul(v128.load(v + at), keep2s), f32x4.mul(f32x4.mul(grad, grad), blend2s));
    const below = f32x4.add(f32x4.div(f32x4.sqrt(square), roots), smalls);
    const moved = f32x4.mul(steps, f32x4.div(mean, below));
    v128.store(wOut + at, f32x4.sub(f32x4.mul(v128.load(w + at), keeps), moved));
    v128.store(mOut + at, mean);
    v128.store(vOut + at, square);
  }
  for (; i < end; i++) {
    const at = <usize>i << 2;
    const grad = load<f32>(g + at) * gradScale;
    const before = load<f32>(m + at);
    const mean = before + (grad - before) * blend1;
    const square = load<f32>(v + at) * keep2 + grad * grad * blend2;
    const moved = step * (mean / (sqrt<f32>(square) / root + small));
    store<f32>(wOut + at, load<f32>(w + at) * keep - moved);
    store<f32>(mOut + at, mean);
    store<f32>(vOut + at, square);
  }
}
