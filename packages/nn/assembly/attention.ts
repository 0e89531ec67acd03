// Exact attention in blocks of query rows: the scores of one block against all its visible keys stand in the scratch,
// so memory grows with S, not with T * S. Grouped queries, caches with spare capacity, left padding.

import { gemm, gemmScratchBytes } from "../../tensor/assembly/gemm";
import { dot, expRow, log, maxRow, scaleRow } from "../../tensor/assembly/math";

/** Query rows of a block: a multiple of gemm's 6, small enough that the causal corner wastes little. */
// @ts-ignore: decorator
@inline
const ROWS: i32 = 48;

// @ts-ignore: decorator
@inline
function blocksOf(T: i32): i32 {
  return (T + ROWS - 1) / ROWS;
}

// @ts-ignore: decorator
@inline
function productScratchBytes(T: i32, S: i32, d: i32, rows: i32): usize {
  const all = max(max(T, S), max(d, rows));
  return gemmScratchBytes(max(5, all), all, all) + (<usize>(all + 8) << 5); // up to eight rows may be copied
}

/** Tasks of `attention`: its (begin, end) is a range of these. A task is a block of queries, or at T = 1 the heads of a group. */
export function attentionTasks(B: i32, H: i32, Hkv: i32, T: i32): i32 {
  return T == 1 ? B * Hkv : B * H * blocksOf(T);
}

/** Bytes of scratch of one `attention` call. Linear in S. */
export function attentionScratchBytes(H: i32, Hkv: i32, T: i32, S: i32, d: i32): usize {
  const rows = T == 1 ? H / Hkv : min(ROWS, T);
  return (<usize>rows * <usize>S << 2) + productScratchBytes(T, S, d, rows);
}

/** Keys that query row t may not see from which on: past + t + 1 when causal, else S. */
// @ts-ignore: decorator
@inline
function visibleEnd(causal: i32, past: i32, t: i32, S: i32): i32 {
  return causal ? min(S, past + t + 1) : S;
}

// @ts-ignore: decorator
@inline
function firstVisible(validFrom: usize, starts: i32, b: i32, t: i32): i32 {
  return validFrom ? max(0, load<i32>(validFrom + (<usize>(b * starts + (starts == 1 ? 0 : t)) << 2))) : 0;
}

/** Sets all of a line [n] to 0 but [begin, end). */
// @ts-ignore: decorator
@inline
function clearOutside(line: usize, n: i32, begin: i32, end: i32): void {
  memory.fill(line, 0, <usize>begin << 2);
  memory.fill(line + (<usize>end << 2), 0, <usize>(n - end) << 2);
}

/**
 * out [B, H, T, d] = softmax(scale * q·kᵀ)·v over the visible keys, for tasks [begin, end) of `attentionTasks`.
 *
 * q [B, H, T, d]; k and v [B, Hkv, capacity, d], of which the first S rows count; head h reads head floor(h / (H / Hkv)).
 * Query t of batch row b sees key j when validFrom[b, t] <= j < S and, if `causal` is 1, j <= past + t.
 * validFrom: i32 [B, starts], starts being 1 or T; it never falls within a row; or 0 for none. A query that sees nothing gives zeros and lse = -Infinity.
 * lse [B, H, T]: ln of the sum of exp(scores), for the gradient. scratch: attentionScratchBytes, one for each thread.
 */
export function attention(
  q: usize, k: usize, v: usize, B: i32, H: i32, Hkv: i32, T: i32, S: i32, capacity: i32, d: i32,
  scale: f32, causal: i32, past: i32, validFrom: usize, starts: i32, out: usize, lse: usize, scratch: usize, begin: i32, end: i32,
): void {
  const group = H / Hkv;
  const blocks = blocksOf(T);
  for (let task = begin; task < end; task++) {
    // Rows of q and out that follow one another: a block of one head's queries, or at T = 1 the heads of one group.
    let row: i32, rows: i32, kv: i32, t0: i32;
    if (T == 1) {
      kv = task;
      row = task * group;
      rows = group;
      t0 = 0;
    } else {
      const head = task / blocks; // of B * H
      t0 = (task - head * blocks) * ROWS;
      rows = min(ROWS, T - t0);
      row = head * T + t0;
      kv = (head / H) * Hkv + (head % H) / group;
    }
    const step = T == 1 ? 0 : 1; // how far in time the next row is
    const b = kv / Hkv;
    const from = firstVisible(validFrom, starts, b, t0);
    const n = visibleEnd(causal, past, t0 + (rows - 1) * step, S) - from;
    const queries = q + (<usize>row * <usize>d << 2);
    const results = out + (<usize>row * <usize>d << 2);
    const sums = lse + (<usize>row << 2);
    if (n <= 0) {
      memory.fill(results, 0, <usize>rows * <usize>d << 2);
      for (let i = 0; i < rows; i++) store<f32>(sums + (<usize>i << 2), -Infinity);
      continue;
    }
    const start = (<usize>kv * <usize>capacity + <usize>from) * <usize>d << 2;
    const scores = scratch; // [rows, n]
    const work = scratch + (<usize>rows * <usize>n << 2);

    gemm(0, 1, rows, n, d, queries, d, k + start, d, scores, n, scale, 0, work);
    for (let i = 0; i < rows; i++) {
      const line = scores + (<usize>i * <usize>n << 2);
      const t = t0 + i * step;
      const first = min(n, firstVisible(validFrom, starts, b, t) - from);
      const seen = max(0, visibleEnd(causal, past, t, S) - from - first);
      const visible = line + (<usize>first << 2);
      const top = maxRow(visible, seen);
      // All scores -Infinity, or no key at all: nothing to weigh.
      const sum = top == -Infinity ? 0 : expRow(visible, seen, 1, top, visible);
      clearOutside(line, n, first, sum == 0 ? first : first + seen);
      if (sum != 0) scaleRow(visible, seen, <f32>(1 / sum));
      store<f32>(sums + (<usize>i << 2), sum == 0 ? -Infinity : <f32>(<f64>top + log(sum)));
    }
    gemm(0, 0, rows, d, n, scores, n, v + start, d, results, d, 1, 0, work);
  }
}

/** Bytes of scratch of one `attentionGrad` call. Linear in S. */
export function attentionGradScratchBytes(T: i32, S: i32, d: i32): usize {
  const rows = min(ROWS, T);
  return (<usize>(2 * rows) * <usize>S << 2) + productScratchBytes(T, S, d, rows);
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

    for (let g = 0; g < group; g++) {
      const head = b * H + (kv % Hkv) * group + g; // of B * H
      for (let t0 = 0; t0 < T; t0 += ROWS) {
        const rows = min(ROWS, T - t0);
        const row = <usize>(head * T + t0);
        const block = row * <usize>d << 2;
        const from = firstVisible(validFrom, starts, b, t0);
        const start = whole + (<usize>from * <usize>d << 2);
        const n = visibleEnd(causal, past, t0 + rows - 1, S) - from;
        if (n <= 0) {
          memory.fill(dq + block, 0, <usize>rows * <usize>d << 2);
          continue;
        }
        const p = scratch; // [rows, n]
        const ds = p + (<usize>rows * <usize>n << 2); // [rows, n]
        const work = ds + (<usize>rows * <usize>n << 2);

        gemm(0, 1, rows, n, d, q + block, d, k + start, d, p, n, scale, 0, work);
        gemm(0, 1, rows, n, d, dout + block, d, v + start, d, ds, n, 1, 0, work);
        for (let i = 0; i < rows; i++) {
          const line = <usize>i * <usize>n << 2;
          const at = block + (<usize>i * <usize>d << 2);
          const total = load<f32>(lse + (row + <usize>i << 2));
          const first = min(n, firstVisible(validFrom, starts, b, t0 + i) - from);
          const seen = total == -Infinity ? 0 : max(0, visibleEnd(causal, past, t0 + i, S) - from - first);
          const visible = line + (<usize>first << 2);
          if (seen > 0) expRow(p + visible, seen, 1, total, p + visible);
          scoreGrad(p + visible, ds + visible, seen, dot(dout + at, out + at, d), scale);
          clearOutside(p + line, n, first, first + seen);
          clearOutside(ds + line, n, first, first + seen);
        }
        gemm(0, 0, rows, d, n, ds, n, k + start, d, dq + block, d, 1, 0, work);
        gemm(1, 0, n, d, rows, ds, n, q + block, d, dk + start, d, 1, 1, work);
        gemm(1, 0, n, d, rows, p, n, dout + block, d, dv + start, d, 1, 1, work);
      }
    }
  }
}
