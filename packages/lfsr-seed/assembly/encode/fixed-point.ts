// The coefficients of score16.ts, and what their rounding, and that of everything else in 16 bits, may add up to.

import { addExtra, hasSignFeatures } from "./library";
import { paddedPeriod, plan } from "./plan";

/** What features are multiplied by: 2^15 less a bit, as errors of rounding must not carry a sum beyond. */
// @ts-ignore: decorator
@inline
export const SCALE16: f32 = 32768 * 0.984375;
/** What scores are multiplied by, then. */
// @ts-ignore: decorator
@inline
export const SCORE_SCALE16: f64 = 32768 * 0.984375 * 0.984375;
/** Half the last place. */
// @ts-ignore: decorator
@inline
const HALF_PLACE: f64 = 1.0 / 65536;

/** The largest shift there is a loop for. */
// @ts-ignore: decorator
@inline
const MOST_SHIFT: i32 = 4;

/** Whether this configuration can be scored in 16 bits. */
export function canScore16(): i32 {
  return hasSignFeatures() && plan.P <= 4 && plan.K <= 20 ? 1 : 0;
}

/** Division of row i of the coefficients: 2^1, and 2^shift for that of the running sum. */
// @ts-ignore: decorator
@inline
function shiftOf(i: i32, shift: i32): i32 {
  return i == plan.P - 1 ? shift : 1;
}

/** The coefficient, as it is multiplied by: the running sum is half that of score.ts. */
// @ts-ignore: decorator
@inline
function coefficientAt(position: i32, i: i32, j: i32): f64 {
  const at = position * plan.factorSize + (i * (i + 1)) / 2 + j;
  const c = <f64>load<f32>(plan.coefficients + (<usize>at << 2));
  return j == plan.P - 1 ? 2 * c : c;
}

// @ts-ignore: decorator
@inline
function quantised(c: f64, shift: i32): f64 {
  return min(max(nearest(c * <f64>(32768 >> shift)), -32768), 32767);
}

/**
 * A bound on the error of the score of a seed: `2 |dz| + |dz|^2` and the squares' own, with |z| at most 1. Each product
 * adds the error of its feature, half a place for the rounding of its coefficient, and half a place of its own.
 */
function errorOf(position: i32, shift: i32): f64 {
  const P = plan.P;
  const signs = <f64>plan.tables * HALF_PLACE; // of a sum of lookups
  const sum = signs + 2 * HALF_PLACE; // of the running mean: e = e / 2 + signs / 2 + HALF_PLACE
  let squares = signs * signs;
  for (let i = 1; i < P; i++) {
    const most = <f64>(1 << shiftOf(i, shift));
    let error = <f64>(i + 1) * 2 * HALF_PLACE * most;
    for (let j = 0; j <= i; j++) {
      const c = abs(coefficientAt(position, i, j));
      error += c * (j == P - 1 ? sum : signs) + max(0, c - most); // beyond `most` it is cut
    }
    squares += error * error;
  }
  return (2 * sqrt(squares) + squares + <f64>P * HALF_PLACE) * (32768 / SCORE_SCALE16);
}

/** Puts the error of each seed at this shift into plan.errors, -1 where it is not scored. */
function measureErrors(shift: i32): void {
  for (let m = 0; m < plan.period; m++) {
    store<f32>(plan.errors + (<usize>m << 2), coefficientAt(m, 0, 0) != 0 ? <f32>errorOf(m, shift) : -1);
  }
}

/** Seeds whose scores are off by more than `most`. */
function countBad(most: f32): i32 {
  let count = 0;
  for (let m = 0; m < plan.period; m++) count += load<f32>(plan.errors + (<usize>m << 2)) > most ? 1 : 0;
  return count;
}

/**
 * Makes the coefficients in 16 bits and sets the rounding, as small as it gets with few seeds beyond: those become
 * extras. Does nothing where they are not few.
 */
export function quantiseCoefficients(): void {
  plan.shift = 0;
  plan.rounding16 = 0;
  if (!canScore16()) return;
  const few = plan.period / 400;
  let bestShift = 0;
  let best: f32 = 1.0 / 32;
  for (let shift = 2; shift <= MOST_SHIFT; shift++) {
    measureErrors(shift);
    for (let most: f32 = 1.0 / 1024; most < best; most *= 1.5) {
      if (countBad(most) > few) continue;
      best = most;
      bestShift = shift;
    }
  }
  if (bestShift == 0) return;
  if (bestShift != MOST_SHIFT) measureErrors(bestShift);
  quantiseAll(bestShift, best);
}

function quantiseAll(shift: i32, most: f32): void {
  plan.shift = shift;
  const period = paddedPeriod();
  let to = plan.coefficients16;
  for (let m = 0; m < period; m++) {
    const error: f32 = m < plan.period ? load<f32>(plan.errors + (<usize>m << 2)) : -1;
    if (error > most) addExtra(m);
    else plan.rounding16 = max(plan.rounding16, <f64>error);
    for (let i = 1; i < plan.P; i++) {
      for (let j = 0; j <= i; j++, to += 2) store<i16>(to, <i16>quantised(coefficientAt(m, i, j), shiftOf(i, shift)));
    }
  }
}
