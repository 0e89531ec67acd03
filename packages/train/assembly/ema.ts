/** out = decay * average + (1 - decay) * w for elements [begin, end); out may be either. */
export function ema(average: usize, w: usize, decay: f64, out: usize, begin: i32, end: i32): void {
  const blend = <f32>(1 - decay);
  const blends = f32x4.splat(blend);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = <usize>i << 2;
    const before = v128.load(average + at);
    v128.store(out + at, f32x4.add(before, f32x4.mul(f32x4.sub(v128.load(w + at), before), blends)));
  }
  for (; i < end; i++) {
    const at = <usize>i << 2;
    const before = load<f32>(average + at);
    store<f32>(out + at, before + (load<f32>(w + at) - before) * blend);
  }
}
