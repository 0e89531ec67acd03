// The gradient of attention, block by block of query rows, the weights computed again.

import { dot, expRow } from "../../tensor/assembly/math";
import {
  addTransposed, byRows, lineStride, overRows, packAsColumns, packAsSteps, panelBytes, ROWS, workBytes,
} from "./panels";
import { clearOutside, firstVisible, visibleEnd } from "./visible";

/** Bytes of scratch of one `attentionGrad` call. Linear in S. */
export function attentionGradScratchBytes(T: i32, S: i32, d: i32): usize {
  const rows = min(ROWS, T);
  const packed = 2 * panelBytes(S, d) + panelBytes(d, S) + 2 * panelBytes(d, ROWS);
  return packed + workBytes(d) + (<usize>(2 * rows * lineStride(S)) << 2);
}

/** ds [n] = p [n] * (ds - delta) * scale: the softmax's gradient, in place of the gradient of the weights. */
function scoreGrad(p: usize, ds: usize, n: i32, delta: f32, scale: f32): void {
  const shift = f32x4.splat(delta * scale), factor = f32x4.splat(scale);
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    const at = <usize>j << 2;
    const change = f32x4.sub(f32x4.mul(v128.load(ds + at), factor), shift);
    v128.store(ds + at, f32x4.mul(v128.load(p + at), change));
  }
  for (; j < n; j++) {
    const at = <usize>j << 2;
    store<f32>(ds + at, load<f32>(p + at) * (load<f32>(ds + at) - delta) * scale);
  }
}

/**
 * Gradient of `attention`, its weights computed again from `lse`: dq like q; dk and dv like k and v, [B, Hkv, capacity, d]
 * (zero where no query looks). Tasks [begin, end) are the B * Hkv key-value heads. scratch: attentionGradScratchBytes.
 */
export function attentionGrad(
  q: usize, k: usize, v: usize, out: usize, lse: usize, dout: usize, B: i32, H: i32, Hkv: i32, T: i32, S: i32,
  capacity: i32, d: i32, scale: f32, causal: i32, past: i32, validFrom: usize, starts: i32,
  dq: usize, dk: usize, dv: usize, scratch: usize, begin: i32, end: i32,
): void {
  const group = H / Hkv;
  for (let kv = begin; kv < end; kv++) {
    const b = kv / Hkv;
    const whole = <usize>kv * <usize>capacity * <usize>d << 2;
    memory.fill(dk + whole, 0, <usize>capacity * <usize>d << 2);
    memory.fill(dv + whole, 0, <usize>capacity * <usize>d << 2);
    const queries = <usize>(b * H + (kv % Hkv) * group) * <usize>T; // rows in front of the group's
    const from = firstVisible(validFrom, starts, b, 0);
    const keys = visibleEnd(causal, past, T - 1, S) - from;
    if (keys <= 0) {
      memory.fill(dq + (queries * <usize>d << 2), 0, <usize>(group * T) * <usize>d << 2);
      continue;
    }
    const start = whole + (<usize>from * <usize>d << 2);
    const keyColumns = scratch;
    const valueColumns = keyColumns + panelBytes(keys, d);
    const keySteps = valueColumns + panelBytes(keys, d);
    const querySteps = keySteps + panelBytes(d, keys);
    const doutSteps = querySteps + panelBytes(d, ROWS);
    const work = doutSteps + panelBytes(d, ROWS);
    const p = work + workBytes(d); // [rows, n], lineStride(n) apart
    packAsColumns(k + start, keys, d, keyColumns);
    packAsColumns(v + start, keys, d, valueColumns);
    packAsSteps(k + start, keys, d, keySteps);

    for (let g = 0; g < group; g++) {
      for (let t = 0; t < T; t += ROWS) {
        const rows = min(ROWS, T - t);
        const row = queries + <usize>(g * T + t);
        const at = row * <usize>d << 2;
        const lo = max(0, firstVisible(validFrom, starts, b, t) - from) & ~7;
        const n = visibleEnd(causal, past, t + rows - 1, S) - from - lo;
        if (n <= 0) {
          memory.fill(dq + at, 0, <usize>rows * <usize>d << 2);
          continue;
        }
        const ds = p + (<usize>(rows * lineStride(n)) << 2); // [rows, n]
        byRows(rows, n, d, q + at, keyColumns, lo, p, scale, work);
        byRows(rows, n, d, dout + at, valueColumns, lo, ds, 1, work);
        for (let i = 0; i < rows; i++) {
          const line = <usize>(i * lineStride(n)) << 2;
          const own = at + (<usize>i * <usize>d << 2);
          const total = load<f32>(lse + (row + <usize>i << 2));
          const first = min(n, firstVisible(validFrom, starts, b, t + i) - from - lo);
          const seen = total == -Infinity ? 0 : max(0, visibleEnd(causal, past, t + i, S) - from - lo - first);
          const visible = line + (<usize>first << 2);
          if (seen > 0) expRow(p + visible, seen, 1, total, p + visible);
          scoreGrad(p + visible, ds + visible, seen, dot(dout + own, out + own, d), scale);
          clearOutside(p + line, n, first, first + seen);
          clearOutside(ds + line, n, first, first + seen);
        }
        overRows(rows, n, d, ds, keySteps, keys, lo, dq + at, work);
        packAsSteps(q + at, rows, d, querySteps);
        packAsSteps(dout + at, rows, d, doutSteps);
        const seenKeys = start + (<usize>lo * <usize>d << 2);
        addTransposed(rows, n, d, ds, querySteps, dk + seenKeys, work);
        addTransposed(rows, n, d, p, doutSteps, dv + seenKeys, work);
      }
    }
  }
}
