import { madd } from "../../tensor/assembly/simd";

/**
 * Rotary positions, half-rotation convention: dimension j turns with j + d/2.
 * y_j = x_j cos - sign x_{j+d/2} sin;  y_{j+d/2} = x_{j+d/2} cos + sign x_j sin.
 * x, y: [..., T, d], of which rows [begin, end) of all the (B*H*T) rows; y may be x. cos, sin: [T, d/2], or where `group` is
 * not 0 one such table for each `group` rows of x. sign 1 rotates, -1 rotates back, which is also the gradient.
 */
export function rope(
  x: usize, cos: usize, sin: usize, T: i32, d: i32, group: i32, y: usize, sign: f32, begin: i32, end: i32,
): void {
  const half = d >> 1;
  const other = <usize>half << 2;
  const signs = f32x4.splat(sign);
  for (let r = begin; r < end; r++) {
    const table = <usize>((group ? (r / group) * T : 0) + r % T) * <usize>half << 2;
    const c = cos + table;
    const s = sin + table;
    const from = x + (<usize>r * <usize>d << 2);
    const to = y + (<usize>r * <usize>d << 2);
    let j = 0;
    for (; j + 4 <= half; j += 4) {
      const at = <usize>j << 2;
      const x0 = v128.load(from + at), x1 = v128.load(from + other + at);
      const cosine = v128.load(c + at), sine = f32x4.mul(v128.load(s + at), signs);
      v128.store(to + at, f32x4.sub(f32x4.mul(x0, cosine), f32x4.mul(x1, sine)));
      v128.store(to + other + at, madd(x1, cosine, f32x4.mul(x0, sine)));
    }
    for (; j < half; j++) {
      const at = <usize>j << 2;
      const x0 = load<f32>(from + at), x1 = load<f32>(from + other + at);
      const cosine = load<f32>(c + at), sine = load<f32>(s + at) * sign;
      store<f32>(to + at, x0 * cosine - x1 * sine);
      store<f32>(to + other + at, x1 * cosine + x0 * sine);
    }
  }
}
