// Larger and smaller of two, element by element; NaN on either side wins.

/** out[i] = max(a[i], b[i]) for i in [begin, end). */
export function maximum(a: usize, b: usize, out: usize, begin: i32, end: i32): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = <usize>i << 2;
    v128.store(out + at, f32x4.max(v128.load(a + at), v128.load(b + at)));
  }
  for (; i < end; i++) {
    const at = <usize>i << 2;
    store<f32>(out + at, max<f32>(load<f32>(a + at), load<f32>(b + at)));
  }
}

/** out[i] = min(a[i], b[i]) for i in [begin, end). */
export function minimum(a: usize, b: usize, out: usize, begin: i32, end: i32): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = <usize>i << 2;
    v128.store(out + at, f32x4.min(v128.load(a + at), v128.load(b + at)));
  }
  for (; i < end; i++) {
    const at = <usize>i << 2;
    store<f32>(out + at, min<f32>(load<f32>(a + at), load<f32>(b + at)));
  }
}
