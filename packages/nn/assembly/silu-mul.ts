import { expRow } from "../../tensor/assembly/math";

/** Columns at a time, so that the exponentials are still in the first cache when they are used. */
// @ts-ignore: decorator
@inline
const CHUNK: i32 = 1024;

/** y [rows, F] = silu(gate) * up, with gateUp [rows, 2F] = gate | up, for rows [begin, end). */
export function siluMul(gateUp: usize, F: i32, y: usize, begin: i32, end: i32): void {
  const one = f32x4.splat(1);
  for (let r = <usize>begin; r < <usize>end; r++) {
    for (let first = 0; first < F; first += CHUNK) {
      const n = min(CHUNK, F - first);
      const gate = gateUp + (r * 2 * <usize>F + <usize>first << 2);
      const up = gate + (<usize>F << 2);
      const to = y + (r * <usize>F + <usize>first << 2);
      expRow(gate, n, -1, 0, to); // silu(g) = g / (1 + exp(-g))
      let j = 0;
      for (; j + 4 <= n; j += 4) {
        const at = <usize>j << 2;
        const product = f32x4.mul(v128.load(gate + at), v128.load(up + at));
        v128.store(to + at, f32x4.div(product, f32x4.add(one, v128.load(to + at))));
      }
      for (; j < n; j++) {
        const at = <usize>j << 2;
        store<f32>(to + at, (load<f32>(gate + at) * load<f32>(up + at)) / (1 + load<f32>(to + at)));
      }
    }
  }
}

/**
 * Gradient of `siluMul` for rows [begin, end): dGateUp [rows, 2F], with s = sigmoid(gate):
 * dGate = dy * up * s * (1 + gate * (1 - s)), dUp = dy * gate * s. dGateUp must not be gateUp.
 */
export function siluMulGrad(gateUp: usize, dy: usize, F: i32, dGateUp: usize, begin: i32, end: i32): void {
  const one = f32x4.splat(1);
  const half = <usize>F << 2;
  for (let r = <usize>begin; r < <usize>end; r++) {
    for (let first = 0; first < F; first += CHUNK) {
      const n = min(CHUNK, F - first);
      const gate = gateUp + (r * 2 * <usize>F + <usize>first << 2);
      const to = dGateUp + (r * 2 * <usize>F + <usize>first << 2);
      const up = dy + (r * <usize>F + <usize>first << 2);
      expRow(gate, n, -1, 0, to);
      let j = 0;
      for (; j + 4 <= n; j += 4) {
        const at = <usize>j << 2;
        const g = v128.load(gate + at);
        const s = f32x4.div(one, f32x4.add(one, v128.load(to + at)));
        const slope = f32x4.mul(s, f32x4.add(one, f32x4.mul(g, f32x4.sub(one, s))));
        const dyj = v128.load(up + at);
        v128.store(to + at, f32x4.mul(f32x4.mul(dyj, v128.load(gate + half + at)), slope));
        v128.store(to + half + at, f32x4.mul(dyj, f32x4.mul(g, s)));
      }
      for (; j < n; j++) {
        const at = <usize>j << 2;
        const g = load<f32>(gate + at);
        const s = <f32>1 / (1 + load<f32>(to + at));
        const dyj = load<f32>(up + at);
        store<f32>(to + at, dyj * load<f32>(gate + half + at) * (s * (1 + g * (1 - s))));
        store<f32>(to + half + at, dyj * (g * s));
      }
    }
  }
}
