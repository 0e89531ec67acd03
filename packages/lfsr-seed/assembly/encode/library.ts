// What is scored instead of the exact bases. A state's value is, nearly, half its newest bit plus half the value one
// step before, with bits counted as -1 and 1:
//
//   u[m] = v[m] + O(2^-K),   v[m] = v[m-1] / 2 + x[m] / 2
//
// so the correlation of a block with v along the cycle is a running sum that takes one table lookup a step: the C signs
// that its weights meet at a step are an index, the same for all blocks. The span of (v[m+1], ..., v[m+P]) is also that
// of v[m+1] and P - 1 vectors of signs, whose correlations are the lookups themselves. Decimated bases take v alone.
//
// Scored and exact span differ by an angle whose sine is at most |D (U - V) R^-1|, R^T R = U^T D^2 U; it is computed
// here for each seed. The largest becomes the slack of the search; a few seeds beyond, the extras, each have a slack of their own.

import { basisAt, factorAt, factorBasis, importanceOf, readBasis, stateAt, wrap } from "./basis";
import { halo, MAX_EXTRAS, paddedPeriod, plan, WARM } from "./plan";

/** Rounding of a score in float32, over the norm of its coefficients: 2 |z| |dz|, where features are at most 2. */
// @ts-ignore: decorator
@inline
const ROUNDING: f64 = 1e-6;

/** Whether P - 1 of the features are lookups. */
// @ts-ignore: decorator
@inline
export function hasSignFeatures(): i32 {
  return plan.decimation == 1 && plan.P > 1;
}

// @ts-ignore: decorator
@inline
function signAt(position: i32): f64 {
  return (stateAt(position) >> (plan.K - 1)) & 1 ? 1.0 : -1.0;
}

// @ts-ignore: decorator
@inline
function entryAt(position: i32): f64 {
  return load<f64>(plan.entries + (<usize>wrap(position) << 3));
}

function parity(bits: i32): i32 {
  return popcnt(bits) & 1;
}

/** The cycle, the patterns of its steps, and the entries of the scored bases. None depends on importance. */
export function buildCycle(): void {
  const period = plan.period;
  let state = 1;
  for (let i = 0; i < period; i++) {
    store<i32>(plan.states + (<usize>i << 2), state);
    state = (state >>> 1) | (parity(state & plan.taps) << (plan.K - 1));
  }

  const stride = plan.P * plan.decimation; // from row to row of a basis
  const steps = paddedPeriod() + halo() + plan.chunk;
  let to = plan.patterns;
  for (let m = 0; m < steps; m++) {
    for (let table = 0; table < plan.tables; table++) {
      const begin = table * plan.tableBits;
      const end = min(plan.C, begin + plan.tableBits);
      let pattern = 0;
      for (let c = begin; c < end; c++) pattern |= <i32>(signAt(wrap(m) + wrap(c * stride)) > 0) << (c - begin);
      store<u16>(to, <u16>pattern);
      to += 2;
    }
  }

  let entry: f64 = 0;
  for (let i = -2 * WARM; i < period; i++) {
    entry = 0.5 * entry + 0.5 * signAt(i < 0 ? i + 2 * WARM * period : i);
    if (i >= 0) store<f64>(plan.entries + (<usize>i << 3), entry);
  }
}

/** Puts the features of the seed at `position` into plan.features [P, C], times sqrt(sum h). */
function readFeatures(position: i32): void {
  const P = plan.P;
  const hasSigns = hasSignFeatures();
  const stride = wrap(P * plan.decimation);
  let row = position;
  for (let c = 0; c < plan.C; c++) {
    for (let i = 0; i < P; i++) {
      let feature: f64;
      if (!hasSigns) feature = 2 * entryAt(row + (1 + i) * plan.decimation);
      else if (i < P - 1) feature = signAt(row + 2 + i);
      else feature = 2 * entryAt(row + 1);
      store<f64>(plan.features + (<usize>(i * plan.C + c) << 3), feature);
    }
    row = wrap(row + stride);
  }
}

// @ts-ignore: decorator
@inline
function featureAt(i: i32, c: i32): f64 {
  return load<f64>(plan.features + (<usize>(i * plan.C + c) << 3));
}

/** Puts the inverse Cholesky factor of the features into `to`, f32. Returns its norm, infinity where there is none. */
function invertFeatures(position: i32, total: f64, to: usize): f64 {
  const P = plan.P;
  readFeatures(position);
  for (let i = 0; i < P; i++) {
    for (let j = 0; j <= i; j++) {
      let rest: f64 = 0;
      for (let c = 0; c < plan.C; c++) {
        const product = featureAt(i, c) * featureAt(j, c);
        rest += plan.isWeighted ? product * importanceOf(c) : product;
      }
      rest /= total;
      for (let k = 0; k < j; k++) rest -= factorAt(i, k) * factorAt(j, k);
      if (i == j && !(rest > 1e-12)) return Infinity;
      store<f64>(plan.factor + (<usize>((i * (i + 1)) / 2 + j) << 3), i == j ? sqrt(rest) : rest / factorAt(j, j));
    }
  }
  let norm: f64 = 0;
  for (let j = 0; j < P; j++) {
    // Column j of the inverse: L x = e_j.
    for (let i = j; i < P; i++) {
      let rest: f64 = i == j ? 1 : 0;
      for (let k = j; k < i; k++) rest -= factorAt(i, k) * load<f64>(plan.y + (<usize>k << 3));
      const x = rest / factorAt(i, i);
      store<f64>(plan.y + (<usize>i << 3), x);
      store<f32>(to + (<usize>((i * (i + 1)) / 2 + j) << 2), <f32>x);
      norm += x * x;
    }
  }
  return sqrt(norm);
}

/** The sine of the angle between exact and scored span, from above: |D (U - V) R^-1|, with the factor in plan.factor. */
function tiltAt(position: i32): f64 {
  const P = plan.P;
  let tilt: f64 = 0;
  for (let c = 0; c < plan.C; c++) {
    const row = position + wrap(c * P * plan.decimation);
    let reached: f64 = 0;
    for (let i = 0; i < P; i++) {
      let rest = basisAt(c, i) - plan.half * entryAt(row + (1 + i) * plan.decimation);
      for (let k = 0; k < i; k++) rest -= factorAt(i, k) * load<f64>(plan.y + (<usize>k << 3));
      const x = rest / factorAt(i, i);
      store<f64>(plan.y + (<usize>i << 3), x);
      reached += x * x;
    }
    tilt += plan.isWeighted ? reached * importanceOf(c) : reached;
  }
  return sqrt(tilt);
}

/** Coefficients of all seeds for the importance at hand; those of seeds that are not scored are 0. */
export function buildCoefficients(): void {
  const period = plan.period;
  const size = <usize>plan.factorSize << 2;
  let total: f64 = 0;
  for (let c = 0; c < plan.C; c++) total += plan.isWeighted ? importanceOf(c) : 1;

  memory.fill(plan.coefficients, 0, <usize>paddedPeriod() * size);
  plan.extraCount = 0;
  plan.least = Infinity;
  // The tilts' exponents -40..23 in a histogram; the tables of blocks are not in use yet.
  const histogram = plan.tableRows;
  memory.fill(histogram, 0, 64 * 4);
  for (let m = 0; m < period; m++) {
    const slackAt = plan.tilts + (<usize>m << 2);
    store<f32>(slackAt, -1);
    store<f32>(plan.shortest + (<usize>m << 2), Infinity);
    if (load<i32>(plan.states + (<usize>m << 2)) > plan.nSeeds) continue;
    readBasis(m);
    if (!factorBasis()) continue;
    const shortest = shortestOf();
    store<f32>(plan.shortest + (<usize>m << 2), <f32>shortest);
    plan.least = min(plan.least, shortest);
    const tilt = tiltAt(m);
    const norm = invertFeatures(m, total, plan.coefficients + <usize>m * size);
    const slack = <f32>max(tilt, ROUNDING * norm);
    store<f32>(slackAt, slack);
    const bin = histogram + (<usize>binOf(slack) << 2);
    store<i32>(bin, load<i32>(bin) + 1);
  }
  splitExtras(histogram, size);
}

/**
 * The least pivot of the factor in plan.factor. |S q|^2 = |L^T q|^2, L^T is an upper triangle, and its row of the last
 * coefficient that is not 0 has no other: |S q| >= L_pp |q_p| >= L_pp.
 */
function shortestOf(): f64 {
  let least = factorAt(0, 0);
  for (let p = 1; p < plan.P; p++) least = min(least, factorAt(p, p));
  return least;
}

/** Power of two above a slack, -40..23, plus 40. */
function binOf(slack: f32): i32 {
  const exponent = ((reinterpret<i32>(slack) >> 23) & 255) - 126;
  return min(max(exponent, -40), 23) + 40;
}

/** The few seeds of the largest slack become extras, as do all whose slack would say little about the others. */
function splitExtras(histogram: usize, size: usize): void {
  const few = plan.period / 1024;
  let bin = 63;
  let count = 0;
  for (; bin > 0; bin--) {
    count += load<i32>(histogram + (<usize>bin << 2));
    if (bin <= 40 - 5 && count > few) break;
  }
  plan.tilt = 0;
  plan.rounding = 1e-5;
  for (let m = 0; m < plan.period; m++) {
    const slack = load<f32>(plan.tilts + (<usize>m << 2));
    if (slack < 0) continue;
    const coefficients = plan.coefficients + <usize>m * size;
    if (binOf(slack) <= bin) {
      plan.tilt = max(plan.tilt, <f64>slack);
      plan.rounding = max(plan.rounding, ROUNDING * normOf(coefficients));
      continue;
    }
    addExtra(m);
  }
}

/** Makes the seed at `position`, which has coefficients and a slack, an extra: they move there. */
export function addExtra(position: i32): void {
  const number = <usize>plan.extraCount;
  const size = <usize>plan.factorSize << 2;
  const coefficients = plan.coefficients + <usize>position * size;
  store<i32>(plan.extras + (number << 2), position);
  if (number < <usize>MAX_EXTRAS) {
    memory.copy(plan.extraCoefficients + number * size, coefficients, size);
    store<f32>(plan.extraSlacks + (number << 2), load<f32>(plan.tilts + (<usize>position << 2)));
  }
  memory.fill(coefficients, 0, size);
  plan.extraCount += 1;
}

function normOf(coefficients: usize): f64 {
  let squares: f64 = 0;
  for (let i = 0; i < plan.factorSize; i++) {
    const x = <f64>load<f32>(coefficients + (<usize>i << 2));
    squares += x * x;
  }
  return sqrt(squares);
}
