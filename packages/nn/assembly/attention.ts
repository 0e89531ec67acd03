// Exact attention in blocks of query rows: the scores of one block against all its visible keys stand in the scratch,
// so memory grows with S, not with T * S. Grouped queries, caches with spare capacity, left padding, documents.

import { gemm, gemmScratchBytes } from "../../tensor/assembly/gemm";
import { expRow, log, maxRow, scaleRow } from "../../tensor/assembly/math";
import { byRows, lineStride, overRows, packAsColumns, packAsSteps, panelBytes, ROWS, workBytes } from "./panels";
import { clearOutside, firstVisible, visibleEnd } from "./visible";

/** Query rows that share packed keys and values: some blocks. */
// @ts-ignore: decorator
@inline
const CHUNK: i32 = 8 * ROWS;
/** Up to how many query rows keys and values are read as they lie: packing them would cost more. */
// @ts-ignore: decorator
@inline
const FEW: i32 = 8;

// @ts-ignore: decorator
@inline
function chunksOf(T: i32): i32 {
  return (T + CHUNK - 1) / CHUNK;
}

/**
 * Tasks of `attention`: its (begin, end) is a range of these. A task is some hundred queries of a head, or at T = 1 the
 * heads of a group.
 */
export function attentionTasks(B: i32, H: i32, Hkv: i32, T: i32): i32 {
  return T == 1 ? B * Hkv : B * H * chunksOf(T);
}

/** Bytes of scratch of one `attention` call. Linear in S. */
export function attentionScratchBytes(H: i32, Hkv: i32, T: i32, S: i32, d: i32): usize {
  const rows = T == 1 ? H / Hkv : min(ROWS, T);
  if (T > FEW) return (<usize>(ROWS * lineStride(S)) << 2) + (<usize>ROWS << 2) + panelBytes(S, d) + panelBytes(d, S) + workBytes(d);
  const all = max(S, max(d, rows));
  return (<usize>rows * <usize>S << 2) + gemmScratchBytes(max(5, all), all, all) + (<usize>(all + 8) << 5); // up to eight rows may be copied
}

/**
 * Turns a line of scores [n] into exp(score - the largest) over [first, first + seen), and 0 elsewhere. Writes ln of the
 * sum of exp(scores) to `lse`. Returns what the weighted sum of values is to be multiplied by: 1 over the sum, or 0.
 */
function softmaxLine(line: usize, n: i32, first: i32, seen: i32, lse: usize): f32 {
  const visible = line + (<usize>first << 2);
  const top = maxRow(visible, seen);
  // All scores -Infinity, or no key at all: nothing to weigh.
  const sum = top == -Infinity ? 0 : expRow(visible, seen, 1, top, visible);
  clearOutside(line, n, first, sum == 0 ? first : first + seen);
  store<f32>(lse, sum == 0 ? -Infinity : <f32>(<f64>top + log(sum)));
  return sum == 0 ? 0 : <f32>(1 / sum);
}

/** Rows without a key: zeros, and lse = -Infinity. */
function seeNothing(rows: i32, d: i32, results: usize, sums: usize): void {
  memory.fill(results, 0, <usize>rows * <usize>d << 2);
  for (let i = 0; i < rows; i++) store<f32>(sums + (<usize>i << 2), -Infinity);
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
  const chunks = chunksOf(T);
  for (let task = begin; task < end; task++) {
    if (T == 1) {
      // The heads of a group see the same keys: its rows follow one another.
      const row = task * group;
      fewRows(q, k, v, group, task, 0, 0, row, Hkv, S, capacity, d, scale, causal, past, validFrom, starts, out, lse, scratch);
      continue;
    }
    const head = task / chunks; // of B * H
    const kv = (head / H) * Hkv + (head % H) / group;
    const t = (task - head * chunks) * CHUNK;
    const rows = min(CHUNK, T - t);
    const row = head * T + t;
    if (T <= FEW) fewRows(q, k, v, rows, kv, t, 1, row, Hkv, S, capacity, d, scale, causal, past, validFrom, starts, out, lse, scratch);
    else chunk(q, k, v, rows, kv, t, row, Hkv, S, capacity, d, scale, causal, past, validFrom, starts, out, lse, scratch);
  }
}

/** Rows [row, row + rows) of q and out, at times t, t + step, …; they read key-value head kv. */
function fewRows(
  q: usize, k: usize, v: usize, rows: i32, kv: i32, t: i32, step: i32, row: i32, Hkv: i32, S: i32, capacity: i32, d: i32,
  scale: f32, causal: i32, past: i32, validFrom: usize, starts: i32, out: usize, lse: usize, scratch: usize,
): void {
  const b = kv / Hkv;
  const from = firstVisible(validFrom, starts, b, t);
  const n = visibleEnd(causal, past, t + (rows - 1) * step, S) - from;
  const at = <usize>row * <usize>d << 2;
  const sums = lse + (<usize>row << 2);
  if (n <= 0) {
    seeNothing(rows, d, out + at, sums);
    return;
  }
  const start = (<usize>kv * <usize>capacity + <usize>from) * <usize>d << 2;
  const scores = scratch; // [rows, n]
  const work = scratch + (<usize>rows * <usize>n << 2);
  gemm(0, 1, rows, n, d, q + at, d, k + start, d, scores, n, scale, 0, work);
  for (let i = 0; i < rows; i++) {
    const line = scores + (<usize>i * <usize>n << 2);
    const first = min(n, firstVisible(validFrom, starts, b, t + i * step) - from);
    const seen = max(0, visibleEnd(causal, past, t + i * step, S) - from - first);
    scaleRow(line + (<usize>first << 2), seen, softmaxLine(line, n, first, seen, sums + (<usize>i << 2)));
  }
  gemm(0, 0, rows, d, n, scores, n, v + start, d, out + at, d, 1, 0, work);
}

/** Rows [row, row + rows) of q and out, at times from t0 on, block after block; keys and values are packed once. */
function chunk(
  q: usize, k: usize, v: usize, rows: i32, kv: i32, t0: i32, row: i32, Hkv: i32, S: i32, capacity: i32, d: i32,
  scale: f32, causal: i32, past: i32, validFrom: usize, starts: i32, out: usize, lse: usize, scratch: usize,
): void {
  const b = kv / Hkv;
  const from = firstVisible(validFrom, starts, b, t0);
  const keys = visibleEnd(causal, past, t0 + rows - 1, S) - from;
  if (keys <= 0) {
    seeNothing(rows, d, out + (<usize>row * <usize>d << 2), lse + (<usize>row << 2));
    return;
  }
  const start = (<usize>kv * <usize>capacity + <usize>from) * <usize>d << 2;
  const factors = scratch; // [ROWS]
  const columns = factors + (<usize>ROWS << 2);
  const steps = columns + panelBytes(keys, d);
  const work = steps + panelBytes(d, keys);
  const scores = work + workBytes(d); // [block, n], lineStride(n) apart
  packAsColumns(k + start, keys, d, columns);
  packAsSteps(v + start, keys, d, steps);
  for (let i0 = 0; i0 < rows; i0 += ROWS) {
    const block = min(ROWS, rows - i0);
    const t = t0 + i0;
    const at = <usize>(row + i0) * <usize>d << 2;
    const sums = lse + (<usize>(row + i0) << 2);
    const lo = max(0, firstVisible(validFrom, starts, b, t) - from) & ~7;
    const n = visibleEnd(causal, past, t + block - 1, S) - from - lo;
    if (n <= 0) {
      seeNothing(block, d, out + at, sums);
      continue;
    }
    byRows(block, n, d, q + at, columns, lo, scores, scale, work);
    for (let i = 0; i < block; i++) {
      const line = scores + (<usize>(i * lineStride(n)) << 2);
      const first = min(n, firstVisible(validFrom, starts, b, t + i) - from - lo);
      const seen = max(0, visibleEnd(causal, past, t + i, S) - from - lo - first);
      store<f32>(factors + (<usize>i << 2), softmaxLine(line, n, first, seen, sums + (<usize>i << 2)));
    }
    overRows(block, n, d, scores, steps, keys, lo, out + at, work);
    for (let i = 0; i < block; i++) {
      scaleRow(out + at + (<usize>i * <usize>d << 2), d, load<f32>(factors + (<usize>i << 2)));
    }
  }
}
