// The search for one block with an importance of its own: every basis then has another Gram matrix, so there is nothing
// to share between blocks. What neighbours on the cycle share is left: entry (i, j) of the matrix of a seed is entry
// (i - j, 0) of the seed j steps on, so P sums over the weights a step serve them all. Float64 throughout.

import { importanceOf, stateAt } from "./basis";
import { currentError, evaluate } from "./evaluate";
import { OWN_CHUNK, plan } from "./plan";

/** Pivots below this part of their diagonal leave too little of a bound. */
// @ts-ignore: decorator
@inline
const SAFE_PIVOT: f64 = 1e-4;
// @ts-ignore: decorator
@inline
const BOUND_SLACK: f64 = 1e-9;

/** S along the (decimated) cycle, f64 [period + C P + OWN_CHUNK + P]. */
export function buildRing(): void {
  const middle = 1 << (plan.K - 1);
  const count = plan.period + plan.C * plan.P + OWN_CHUNK + plan.P;
  let position = 0;
  for (let i = 0; i < count; i++) {
    store<f64>(plan.ring + (<usize>i << 3), <f64>(stateAt(position) - middle));
    position = (position + plan.decimation) % plan.period;
  }
}

/** `sum_c factor_c ring[x + c P] (ring[x + c P + lag])` for OWN_CHUNK + P steps x from `first` on; lag -1 has no second. */
function slidingSums(first: i32, factors: usize, lag: i32, to: usize): void {
  const rowBytes = <usize>plan.P << 3;
  const from = plan.ring + (<usize>first << 3);
  for (let x: usize = 0; x < <usize>(OWN_CHUNK + plan.P) << 3; x += 16) {
    let at = from + x;
    let sum = f64x2.splat(0);
    for (let c = 0; c < plan.C; c++) {
      let product = v128.load(at);
      if (lag >= 0) product = f64x2.mul(product, v128.load(at + (<usize>lag << 3)));
      sum = f64x2.add(sum, f64x2.mul(product, v128.load64_splat(factors + (<usize>c << 3))));
      at += rowBytes;
    }
    v128.store(to + x, sum);
  }
}

/** Tries all seeds on the block at hand, with the importance in plan.importance. block: f32 [C]. */
export function searchOwn(block: usize, norm: f64): void {
  const P = plan.P;
  const rowBytes = <usize>(OWN_CHUNK + P + 2) << 3;
  for (let c = 0; c < plan.C; c++) {
    store<f64>(plan.weighted + (<usize>c << 3), <f64>load<f32>(block + (<usize>c << 2)) * importanceOf(c));
  }
  let position = 0;
  for (let begin = 0; begin < plan.period; begin += OWN_CHUNK) {
    // The basis of seed `begin + i` starts at step begin + i + 1.
    slidingSums(begin + 1, plan.weighted, -1, plan.ownDots);
    for (let lag = 0; lag < P; lag++) slidingSums(begin + 1, plan.importance, lag, plan.ownGrams + <usize>lag * rowBytes);
    const count = min(OWN_CHUNK, plan.period - begin);
    for (let i = 0; i < count; i++) {
      if (norm - reached(i, rowBytes) <= currentError() + BOUND_SLACK * norm) evaluate(position);
      position = (position + plan.decimation) % plan.period;
    }
  }
}

/** What of the norm the basis of step i of the chunk expresses: y^T G^-1 y by LDL^T; infinite where that says too little. */
function reached(i: i32, rowBytes: usize): f64 {
  const P = plan.P;
  let total: f64 = 0;
  for (let r = 0; r < P; r++) {
    // Row r: L[r][c] d[c], then L[r][c], from the rows above.
    let y = load<f64>(plan.ownDots + (<usize>(i + r) << 3));
    let pivot = load<f64>(plan.ownGrams + (<usize>(i + r) << 3));
    const diagonal = pivot;
    for (let c = 0; c < r; c++) {
      let rest = load<f64>(plan.ownGrams + <usize>(r - c) * rowBytes + (<usize>(i + c) << 3));
      for (let k = 0; k < c; k++) rest -= scratchAt(r, k) * load<f64>(plan.y + (<usize>k << 3)) * scratchAt(c, k);
      const inverse = load<f64>(plan.t + (<usize>c << 3));
      const l = rest * inverse;
      store<f64>(plan.factor + (<usize>((r * (r + 1)) / 2 + c) << 3), l);
      pivot -= l * rest;
      y -= l * load<f64>(plan.scaled + (<usize>c << 3));
    }
    if (!(pivot > SAFE_PIVOT * diagonal)) return Infinity;
    const inverse = 1 / pivot;
    store<f64>(plan.y + (<usize>r << 3), pivot);
    store<f64>(plan.t + (<usize>r << 3), inverse);
    store<f64>(plan.scaled + (<usize>r << 3), y);
    total += y * y * inverse;
  }
  return total;
}

// @ts-ignore: decorator
@inline
function scratchAt(r: i32, c: i32): f64 {
  return load<f64>(plan.factor + (<usize>((r * (r + 1)) / 2 + c) << 3));
}
