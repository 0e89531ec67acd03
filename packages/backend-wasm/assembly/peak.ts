import { madd } from "../../tensor/assembly/simd";

/** For benches: n rounds of 24 independent multiply-adds of four floats; `src` holds 48 floats, the first four are overwritten. */
export function fmaPeak(n: i32, src: usize): void {
  const x = v128.load(src), y = v128.load(src, 16);
  let c0 = v128.load(src, 0), c1 = v128.load(src, 16), c2 = v128.load(src, 32), c3 = v128.load(src, 48);
  let c4 = v128.load(src, 64), c5 = v128.load(src, 80), c6 = v128.load(src, 96), c7 = v128.load(src, 112);
  let c8 = v128.load(src, 128), c9 = v128.load(src, 144), c10 = v128.load(src, 160), c11 = v128.load(src, 176);
  for (let i = 0; i < n; i++) {
    c0 = madd(x, y, c0); c1 = madd(x, y, c1); c2 = madd(x, y, c2); c3 = madd(x, y, c3);
    c4 = madd(x, y, c4); c5 = madd(x, y, c5); c6 = madd(x, y, c6); c7 = madd(x, y, c7);
    c8 = madd(x, y, c8); c9 = madd(x, y, c9); c10 = madd(x, y, c10); c11 = madd(x, y, c11);
    c0 = madd(x, y, c0); c1 = madd(x, y, c1); c2 = madd(x, y, c2); c3 = madd(x, y, c3);
    c4 = madd(x, y, c4); c5 = madd(x, y, c5); c6 = madd(x, y, c6); c7 = madd(x, y, c7);
    c8 = madd(x, y, c8); c9 = madd(x, y, c9); c10 = madd(x, y, c10); c11 = madd(x, y, c11);
  }
  const s0 = f32x4.add(f32x4.add(c0, c1), f32x4.add(c2, c3));
  const s1 = f32x4.add(f32x4.add(c4, c5), f32x4.add(c6, c7));
  const s2 = f32x4.add(f32x4.add(c8, c9), f32x4.add(c10, c11));
  v128.store(src, f32x4.mul(f32x4.add(f32x4.add(s0, s1), s2), f32x4.splat(1e-9)));
}
