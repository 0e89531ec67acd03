import { addToDoubles, madd, sumDoubles } from "../../tensor/assembly/simd";

/**
 * y [rows, D] = (x - mean) * inv * weight [D] + bias [D], with inv = 1 / sqrt(mean((x - mean)^2) + eps) of each row, for
 * rows [begin, end). `means` and `inv` [rows] are written for the gradient.
 */
export function layerNorm(
  x: usize, weight: usize, bias: usize, D: i32, eps: f32, y: usize, means: usize, inv: usize, begin: i32, end: i32,
): void {
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = x + (r * <usize>D << 2);
    const to = y + (r * <usize>D << 2);

    let sums = f32x4.splat(0);
    let j = 0;
    for (; j + 4 <= D; j += 4) sums = f32x4.add(sums, v128.load(row + (<usize>j << 2)));
    let sum = sumDoubles(addToDoubles(f64x2.splat(0), sums));
    for (; j < D; j++) sum += load<f32>(row + (<usize>j << 2));
    const mean = <f32>(sum / <f64>D);
    const center = f32x4.splat(mean);

    let squares = f32x4.splat(0);
    for (j = 0; j + 4 <= D; j += 4) {
      const away = f32x4.sub(v128.load(row + (<usize>j << 2)), center);
      squares = madd(away, away, squares);
    }
    let square = sumDoubles(addToDoubles(f64x2.splat(0), squares));
    for (; j < D; j++) {
      const away = load<f32>(row + (<usize>j << 2)) - mean;
      square += <f64>away * <f64>away;
    }
    const factor = <f32>1 / sqrt(<f32>(square / <f64>D) + eps);
    store<f32>(means + (r << 2), mean);
    store<f32>(inv + (r << 2), factor);

    const by = f32x4.splat(factor);
    for (j = 0; j + 4 <= D; j += 4) {
      const at = <usize>j << 2;
      const unit = f32x4.mul(f32x4.sub(v128.load(row + at), center), by);
      v128.store(to + at, madd(unit, v128.load(weight + at), v128.load(bias + at)));
    }
    for (; j < D; j++) {
      const at = <usize>j << 2;
      store<f32>(to + at, (load<f32>(row + at) - mean) * factor * load<f32>(weight + at) + load<f32>(bias + at));
    }
  }
}

/**
 * Gradient of `layerNorm` for x, from its `means` and `inv`, for rows [begin, end): with u = (x - mean) * inv and
 * g = weight * dy, dx = inv * (g - mean(g) - u * mean(g * u)). dx may be dy.
 */
export function layerNormGrad(
  x: usize, weight: usize, dy: usize, means: usize, inv: usize, D: i32, dx: usize, begin: i32, end: i32,
): void {
  for (let r = <usize>begin; r < <usize>end; r++) {
    const from = x + (r * <usize>D << 2);
    const up = dy + (r * <usize>D << 2);
    const to = dx + (r * <usize>D << 2);
    const mean = load<f32>(means + (r << 2));
    const factor = load<f32>(inv + (r << 2));
    const center = f32x4.splat(mean), by = f32x4.splat(factor);

    let plains = f32x4.splat(0), alongs = f32x4.splat(0);
    let j = 0;
    for (; j + 4 <= D; j += 4) {
      const at = <usize>j << 2;
      const g = f32x4.mul(v128.load(up + at), v128.load(weight + at));
      const unit = f32x4.mul(f32x4.sub(v128.load(from + at), center), by);
      plains = f32x4.add(plains, g);
      alongs = madd(g, unit, alongs);
    }
    let plain = sumDoubles(addToDoubles(f64x2.splat(0), plains));
    let along = sumDoubles(addToDoubles(f64x2.splat(0), alongs));
    for (; j < D; j++) {
      const at = <usize>j << 2;
      const g = load<f32>(up + at) * load<f32>(weight + at);
      plain += g;
      along += g * ((load<f32>(from + at) - mean) * factor);
    }

    const shift = <f32>(plain / <f64>D), pull = <f32>(along / <f64>D);
    const shifts = f32x4.splat(shift), pulls = f32x4.splat(-pull);
    for (j = 0; j + 4 <= D; j += 4) {
      const at = <usize>j << 2;
      const g = f32x4.mul(v128.load(up + at), v128.load(weight + at));
      const unit = f32x4.mul(f32x4.sub(v128.load(from + at), center), by);
      v128.store(to + at, f32x4.mul(by, madd(unit, pulls, f32x4.sub(g, shifts))));
    }
    for (; j < D; j++) {
      const at = <usize>j << 2;
      const g = load<f32>(up + at) * load<f32>(weight + at);
      const unit = (load<f32>(from + at) - mean) * factor;
      store<f32>(to + at, factor * (g - shift - unit * pull));
    }
  }
}

/**
 * Gradients of `layerNorm` for weight and bias: dWeight [D] = sum over rows of dy * u, dBias [D] = sum of dy. A task is
 * four columns over all rows, so that threads share no sum; for tasks [begin, end) of ceil(D / 4).
 */
export function layerNormGradColumns(
  x: usize, dy: usize, means: usize, inv: usize, rows: i32, D: i32, dWeight: usize, dBias: usize, begin: i32, end: i32,
): void {
  for (let task = begin; task < end; task++) {
    const first = task * 4;
    const four = first + 4 <= D;
    const steps = four ? 1 : D - first;
    for (let k = 0; k < steps; k++) {
      const at = <usize>(first + k) << 2;
      let weightLow = f64x2.splat(0), weightHigh = f64x2.splat(0);
      let biasLow = f64x2.splat(0), biasHigh = f64x2.splat(0);
      for (let r = 0; r < rows; r += 64) {
        const last = min(rows, r + 64); // sums of 64 floats, then doubles
        let weights = f32x4.splat(0), biases = f32x4.splat(0);
        for (let i = <usize>r; i < <usize>last; i++) {
          const place = (i * <usize>D << 2) + at;
          const up = four ? v128.load(dy + place) : f32x4.splat(load<f32>(dy + place));
          const value = four ? v128.load(x + place) : f32x4.splat(load<f32>(x + place));
          const center = v128.load32_splat(means + (i << 2));
          const unit = f32x4.mul(f32x4.sub(value, center), v128.load32_splat(inv + (i << 2)));
          weights = madd(up, unit, weights);
          biases = f32x4.add(biases, up);
        }
        weightLow = f64x2.add(weightLow, f64x2.promote_low_f32x4(weights));
        weightHigh = f64x2.add(weightHigh, f64x2.promote_low_f32x4(v128.shuffle<f32>(weights, weights, 2, 3, 2, 3)));
        biasLow = f64x2.add(biasLow, f64x2.promote_low_f32x4(biases));
        biasHigh = f64x2.add(biasHigh, f64x2.promote_low_f32x4(v128.shuffle<f32>(biases, biases, 2, 3, 2, 3)));
      }
      const weight = v128.shuffle<f32>(f32x4.demote_f64x2_zero(weightLow), f32x4.demote_f64x2_zero(weightHigh), 0, 1, 4, 5);
      const bias = v128.shuffle<f32>(f32x4.demote_f64x2_zero(biasLow), f32x4.demote_f64x2_zero(biasHigh), 0, 1, 4, 5);
      if (four) {
        v128.store(dWeight + at, weight);
        v128.store(dBias + at, bias);
      } else {
        store<f32>(dWeight + at, f32x4.extract_lane(weight, 0));
        store<f32>(dBias + at, f32x4.extract_lane(bias, 0));
      }
    }
  }
}
