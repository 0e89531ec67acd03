import { expRow, expScaledSum, log, maxRow, scaleRow } from "../../tensor/assembly/math";
import { addToDoubles, madd, sumDoubles } from "../../tensor/assembly/simd";

/** ln of the sum of exp(scale * row [n]). */
function logSumExp(row: usize, n: i32, scale: f32): f64 {
  const top = maxRow(row, n) * scale;
  return <f64>top + log(expScaledSum(row, n, scale, top));
}

/** The sum of p [n] * (a [n] - b [n]); a may be -Infinity where p is 0. */
function weightedDifference(p: usize, a: usize, b: usize, n: i32): f64 {
  const zero = f32x4.splat(0);
  let sums = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const at = <usize>i << 2;
    const weight = v128.load(p + at);
    const product = f32x4.mul(weight, f32x4.sub(v128.load(a + at), v128.load(b + at)));
    sums = addToDoubles(sums, v128.andnot(product, f32x4.eq(weight, zero)));
  }
  let sum = sumDoubles(sums);
  for (; i < n; i++) {
    const at = <usize>i << 2;
    const weight = load<f32>(p + at);
    if (weight != 0) sum += <f64>(weight * (load<f32>(a + at) - load<f32>(b + at)));
  }
  return sum;
}

/** dst [n] += factor * src [n]. */
function addScaled(dst: usize, src: usize, n: i32, factor: f32): void {
  const by = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const at = <usize>i << 2;
    v128.store(dst + at, madd(v128.load(src + at), by, v128.load(dst + at)));
  }
  for (; i < n; i++) {
    const at = <usize>i << 2;
    store<f32>(dst + at, load<f32>(dst + at) + load<f32>(src + at) * factor);
  }
}

/** Bytes of scratch of one call of either, for each thread. */
export function distillationScratchBytes(V: i32, K: i32): usize {
  return <usize>max(V, K) << 2;
}

/**
 * loss [rows] for rows [begin, end): alpha * T^2 * KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) * -ln p(target).
 * student [rows, V]; teacher [rows, K], of the ids [rows, K] where `ids` is not 0, else of all V = K. targets i32 [rows];
 * where it is ignoreIndex the loss is 0. sums [rows, 3]: ln of the sum of exp(student), exp(student / T), exp(teacher / T).
 */
export function distillation(
  student: usize, targets: usize, teacher: usize, ids: usize, V: i32, K: i32, ignoreIndex: i32, temperature: f32,
  alpha: f32, loss: usize, sums: usize, scratch: usize, begin: i32, end: i32,
): void {
  const scale = <f32>1 / temperature;
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = student + (r * <usize>V << 2);
    const wanted = teacher + (r * <usize>K << 2);
    const target = load<i32>(targets + (r << 2));
    let value: f64 = 0, plain: f64 = 0, soft: f64 = 0, taught: f64 = 0;
    if (target != ignoreIndex) {
      plain = logSumExp(row, V, 1);
      soft = logSumExp(row, V, scale);
      taught = logSumExp(wanted, K, scale);
      expRow(wanted, K, scale, <f32>taught, scratch);
      let apart: f64 = 0; // sum of p * (teacher - student)
      if (ids) {
        const names = ids + (r * <usize>K << 2);
        for (let k: usize = 0; k < <usize>K; k++) {
          const p = load<f32>(scratch + (k << 2));
          const id = <usize>load<i32>(names + (k << 2));
          if (p != 0) apart += <f64>p * <f64>(load<f32>(wanted + (k << 2)) - load<f32>(row + (id << 2)));
        }
      } else {
        apart = weightedDifference(scratch, wanted, row, K);
      }
      const divergence = apart * <f64>scale - taught + soft;
      const nll = target < 0 || target >= V ? NaN : plain - <f64>load<f32>(row + (<usize>target << 2));
      value = <f64>alpha * <f64>temperature * <f64>temperature * divergence;
      if (alpha != 1) value += (1 - <f64>alpha) * nll;
    }
    store<f32>(loss + (r << 2), <f32>value);
    const to = sums + r * 12;
    store<f32>(to, <f32>plain);
    store<f32>(to, <f32>soft, 4);
    store<f32>(to, <f32>taught, 8);
  }
}

/**
 * Gradient of sum(scales_r * loss_r) for rows [begin, end), with sums as `distillation` left them:
 * alpha * T * (softmax(student / T) - softmax(teacher / T)) + (1 - alpha) * (softmax(student) - onehot(target)).
 */
export function distillationGrad(
  student: usize, targets: usize, teacher: usize, ids: usize, V: i32, K: i32, ignoreIndex: i32, temperature: f32,
  alpha: f32, sums: usize, scales: usize, dStudent: usize, scratch: usize, begin: i32, end: i32,
): void {
  const scale = <f32>1 / temperature;
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = student + (r * <usize>V << 2);
    const wanted = teacher + (r * <usize>K << 2);
    const to = dStudent + (r * <usize>V << 2);
    const target = load<i32>(targets + (r << 2));
    if (target == ignoreIndex) {
      memory.fill(to, 0, <usize>V << 2);
      continue;
    }
    const by = load<f32>(scales + (r << 2));
    const hard = by * (1 - alpha), pull = by * alpha * temperature;
    const saved = sums + r * 12;
    expRow(row, V, scale, load<f32>(saved, 4), to);
    scaleRow(to, V, pull);
    expRow(wanted, K, scale, load<f32>(saved, 8), scratch);
    if (ids) {
      const names = ids + (r * <usize>K << 2);
      for (let k: usize = 0; k < <usize>K; k++) {
        const at = to + (<usize>load<i32>(names + (k << 2)) << 2);
        store<f32>(at, load<f32>(at) - pull * load<f32>(scratch + (k << 2)));
      }
    } else {
      addScaled(to, scratch, V, -pull);
    }
    if (alpha == 1) continue;
    expRow(row, V, 1, load<f32>(saved), scratch);
    addScaled(to, scratch, V, hard);
    const at = to + (<usize>target << 2);
    if (target >= 0 && target < V) store<f32>(at, load<f32>(at) - hard);
  }
}
