import { expRow, expSum, log, maxRow, scaleRow } from "../../tensor/assembly/math";
import { addToDoubles, sumDoubles } from "../../tensor/assembly/simd";

function sumRow(src: usize, n: i32): f64 {
  let sums = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) sums = addToDoubles(sums, v128.load(src + (<usize>i << 2)));
  let sum = sumDoubles(sums);
  for (; i < n; i++) sum += load<f32>(src + (<usize>i << 2));
  return sum;
}

/**
 * loss [rows] of logits [rows, V] against targets i32 [rows], for rows [begin, end):
 * (1 - smoothing) * nll + smoothing * mean over V of -ln p, + zWeight * lse^2; lse [rows] is ln of the sum of exp(logits).
 * A target equal to ignoreIndex gives loss 0 and lse 0; any other outside [0, V) gives NaN.
 */
export function crossEntropy(
  logits: usize, targets: usize, V: i32, ignoreIndex: i32, smoothing: f32, zWeight: f32, loss: usize, lse: usize,
  begin: i32, end: i32,
): void {
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = logits + (r * <usize>V << 2);
    const target = load<i32>(targets + (r << 2));
    let value: f64 = 0;
    let total: f64 = 0;
    if (target != ignoreIndex) {
      const top = maxRow(row, V);
      total = <f64>top + log(expSum(row, V, top));
      if (target < 0 || target >= V) {
        value = NaN;
      } else {
        value = (1 - <f64>smoothing) * (total - <f64>load<f32>(row + (<usize>target << 2)));
        if (smoothing != 0) value += <f64>smoothing * (total - sumRow(row, V) / <f64>V);
        value += <f64>zWeight * total * total;
      }
    }
    store<f32>(loss + (r << 2), <f32>value);
    store<f32>(lse + (r << 2), <f32>total);
  }
}

/**
 * Gradient of sum(scale_r * loss_r) for rows [begin, end): dLogits [rows, V], which may be logits itself. scale_r is
 * scale * scales[r], or scale where `scales` is 0. Ignored rows get zeros, rows with a wrong target NaN.
 */
export function crossEntropyGrad(
  logits: usize, targets: usize, lse: usize, V: i32, ignoreIndex: i32, smoothing: f32, zWeight: f32,
  scale: f32, scales: usize, dLogits: usize, begin: i32, end: i32,
): void {
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = logits + (r * <usize>V << 2);
    const to = dLogits + (r * <usize>V << 2);
    const target = load<i32>(targets + (r << 2));
    if (target == ignoreIndex) {
      memory.fill(to, 0, <usize>V << 2);
      continue;
    }
    let by = scales ? scale * load<f32>(scales + (r << 2)) : scale;
    if (target < 0 || target >= V) by = NaN;
    const total = load<f32>(lse + (r << 2));
    // d/dl_j = p_j (1 + 2 z lse) - (1 - smoothing) [j = target] - smoothing / V
    expRow(row, V, 1, total, to);
    scaleRow(to, V, by * (1 + 2 * zWeight * total));
    if (smoothing != 0) addToRow(to, V, (-by * smoothing) / <f32>V);
    if (target >= 0 && target < V) {
      const at = to + (<usize>target << 2);
      store<f32>(at, load<f32>(at) - by * (1 - smoothing));
    }
  }
}

function addToRow(dst: usize, n: i32, value: f32): void {
  const by = f32x4.splat(value);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const at = dst + (<usize>i << 2);
    v128.store(at, f32x4.add(v128.load(at), by));
  }
  for (; i < n; i++) {
    const at = dst + (<usize>i << 2);
    store<f32>(at, load<f32>(at) + value);
  }
}
