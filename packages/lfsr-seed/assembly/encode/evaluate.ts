// The normative part: what a code of one seed really costs, in float64, summed in the order of the specification.

import { basisAt, factorAt, factorBasis, importanceOf, readBasis } from "./basis";
import { plan } from "./plan";

/** At and above this, a float32 rounds to infinity. */
// @ts-ignore: decorator
@inline
const FLOAT32_OVERFLOW: f64 = 3.4028235677973366e38; // 2^128 - 2^103
/** Rounding of the lower bounds, as a part of the norm. */
// @ts-ignore: decorator
@inline
const BOUND_SLACK: f64 = 1e-9;

/** Rounding of the shortest vectors and of what they are compared with. */
// @ts-ignore: decorator
@inline
const REACH_SLACK: f64 = 1.000001;

/** The best code so far of the block at hand; its coefficients are in plan.bestQ. */
let bestError: f64 = 0;
let bestSeed: i32 = 1;
let bestExponent: i32 = 0;
/** Place of the best candidate in the normative order, among those of its seed. */
let bestOrder: i32 = 0;

let weights: usize = 0; // f32 [C]
let norm: f64 = 0;
let bias: i32 = 0;

// @ts-ignore: decorator
@inline
export function currentError(): f64 {
  return bestError;
}

// @ts-ignore: decorator
@inline
function weightOf(c: i32): f64 {
  return <f64>load<f32>(weights + (<usize>c << 2));
}

// @ts-ignore: decorator
@inline
function f64At(base: usize, i: i32): f64 {
  return load<f64>(base + (<usize>i << 3));
}

// @ts-ignore: decorator
@inline
function i32At(base: usize, i: i32): i32 {
  return load<i32>(base + (<usize>i << 2));
}

/** `sum h w^2` of the block [C] at `block`. */
export function normOfBlock(block: usize): f64 {
  let sum: f64 = 0;
  for (let c = 0; c < plan.C; c++) {
    const w = <f64>load<f32>(block + (<usize>c << 2));
    const square = w * w;
    sum += plan.isWeighted ? square * importanceOf(c) : square;
  }
  return sum;
}

/** Starts on a block with the zero code. */
export function beginBlock(block: usize, blockNorm: f64, expBias: i32): void {
  weights = block;
  norm = blockNorm;
  bias = expBias;
  bestError = blockNorm;
  bestSeed = 1;
  bestExponent = expBias;
  bestOrder = 0;
  memory.fill(plan.bestQ, 0, <usize>plan.P << 2);
}

/** Bytes of what `keepFound` keeps. */
// @ts-ignore: decorator
@inline
export function foundBytes(): usize {
  return (24 + (<usize>plan.P << 2) + 7) & ~7;
}

/** Puts the best code so far away, to go on with the block later. */
export function keepFound(to: usize): void {
  store<f64>(to, bestError);
  store<i32>(to, bestSeed, 8);
  store<i32>(to, bestExponent, 12);
  store<i32>(to, bestOrder, 16);
  memory.copy(to + 24, plan.bestQ, <usize>plan.P << 2);
}

/** After `beginBlock` of the same block: goes on from there. */
export function takeFound(from: usize): void {
  bestError = load<f64>(from);
  bestSeed = load<i32>(from, 8);
  bestExponent = load<i32>(from, 12);
  bestOrder = load<i32>(from, 16);
  memory.copy(plan.bestQ, from + 24, <usize>plan.P << 2);
}

/** Writes seed u32, exponent - expBias u32, error f64, q i8 [P]. */
export function endBlock(to: usize): void {
  store<i32>(to, bestSeed);
  store<i32>(to, bestExponent - bias, 4);
  store<f64>(to, bestError, 8);
  for (let p = 0; p < plan.P; p++) store<i8>(to + 16 + <usize>p, <i8>i32At(plan.bestQ, p));
}

/** 2^e for a normal float64. */
// @ts-ignore: decorator
@inline
function powerOfTwo(e: i32): f64 {
  return reinterpret<f64>(<i64>(e + 1023) << 52);
}

/** floor(log2 x) of x >= 0; far below all windows for 0 and subnormals. */
// @ts-ignore: decorator
@inline
function floorLog2(x: f64): i32 {
  return <i32>(reinterpret<i64>(x) >>> 52) - 1023;
}

/**
 * Whether some code of the seed at `position`, but for that of zeros, can win. The weights of a code v that wins are nearer to
 * w than the best code so far, so |v| < |w| + sqrt(error); for blocks far below the window of exponents that leaves few.
 */
export function inReach(position: i32): bool {
  return isWithin(<f64>load<f32>(plan.shortest + (<usize>position << 2)));
}

/** Whether that holds for any seed. */
export function isAnyInReach(): bool {
  return isWithin(plan.least);
}

// @ts-ignore: decorator
@inline
function isWithin(shortest: f64): bool {
  return shortest * (powerOfTwo(bias) / plan.half) <= (sqrt(norm) + sqrt(bestError)) * REACH_SLACK;
}

/** Tries all codes of the seed at `position`, unless its bound shows that none can win. */
export function evaluate(position: i32): void {
  const seed = load<i32>(plan.states + (<usize>position << 2));
  if (seed > plan.nSeeds) return;
  const P = plan.P;
  readBasis(position);
  if (!factorBasis()) return;

  let reached: f64 = 0;
  for (let i = 0; i < P; i++) {
    let rest: f64 = 0;
    for (let c = 0; c < plan.C; c++) {
      rest += basisAt(c, i) * (plan.isWeighted ? weightOf(c) * importanceOf(c) : weightOf(c));
    }
    for (let k = 0; k < i; k++) rest -= factorAt(i, k) * f64At(plan.y, k);
    const y = rest / factorAt(i, i);
    store<f64>(plan.y + (<usize>i << 3), y);
    reached += y * y;
  }
  const bound = norm - reached;
  if (bound > bestError + BOUND_SLACK * norm) return;

  for (let i = P - 1; i >= 0; i--) {
    let rest = f64At(plan.y, i);
    for (let k = i + 1; k < P; k++) rest -= factorAt(k, i) * f64At(plan.t, k);
    store<f64>(plan.t + (<usize>i << 3), rest / factorAt(i, i));
  }
  let largest: f64 = 0;
  for (let p = 0; p < P; p++) {
    const t = f64At(plan.t, p) * plan.half;
    store<f64>(plan.t + (<usize>p << 3), t);
    largest = max(largest, abs(t));
  }

  const f = floorLog2(largest) - bias;
  if (plan.rule == 0) {
    tryExponent(seed, clampCode(f), 0, bound);
    return;
  }
  const first = clampCode(f - 2);
  tryExponent(seed, first, 0, bound);
  if (plan.rule == 1) return;
  const second = clampCode(f - 1);
  const third = clampCode(f - 3);
  if (second != first) tryExponent(seed, second, 1, bound);
  if (third != first && third != second) tryExponent(seed, third, 2, bound);
}

// @ts-ignore: decorator
@inline
function clampCode(code: i32): i32 {
  return min(max(code, 0), 15);
}

/** Tries the rounded coefficients at one exponent and, by rule `best`, their neighbours. */
function tryExponent(seed: i32, code: i32, turn: i32, bound: f64): void {
  const scale = powerOfTwo(bias + code);
  for (let p = 0; p < plan.P; p++) {
    const scaled = f64At(plan.t, p) / scale;
    const rounded = <i32>min(max(nearest(scaled), -8), 7);
    store<f64>(plan.scaled + (<usize>p << 3), scaled);
    store<i32>(plan.rounded + (<usize>p << 2), rounded);
    store<i32>(plan.q + (<usize>p << 2), rounded);
  }
  if (plan.rule != 2) {
    tryCode(seed, bias + code, scale, turn, -1);
    return;
  }
  const unit = scale / plan.half;
  descend(plan.P - 1, bound, unit * unit, seed, bias + code, scale, turn, 0);
}

/**
 * All neighbours whose error can win. With w - U t orthogonal to the basis, the error of q is the bound plus
 * |L^T (t - q 2^e)|^2 / H^2; L^T is triangular, so coefficient p adds its part once those above it are chosen.
 */
function descend(
  p: i32, error: f64, unitSquared: f64, seed: i32, exponent: i32, scale: f64, turn: i32, digits: i32,
): void {
  if (p < 0) {
    // The rounded coefficients themselves come first in the normative order.
    tryCode(seed, exponent, scale, turn, digits == middleDigits() ? -1 : digits);
    return;
  }
  let above: f64 = 0;
  for (let k = p + 1; k < plan.P; k++) {
    above += factorAt(k, p) * (f64At(plan.scaled, k) - <f64>i32At(plan.q, k));
  }
  const rounded = i32At(plan.rounded, p);
  for (let turnOfDigit = 0; turnOfDigit < 3; turnOfDigit++) {
    const digit = (turnOfDigit + 1) % 3; // the rounded one first: it is likely to win
    const q = rounded + digit - 1;
    if (q < -8 || q > 7) continue;
    const part = above + factorAt(p, p) * (f64At(plan.scaled, p) - <f64>q);
    const reached = error + part * part * unitSquared;
    if (reached > bestError + BOUND_SLACK * norm) continue;
    store<i32>(plan.q + (<usize>p << 2), q);
    descend(p - 1, reached, unitSquared, seed, exponent, scale, turn, 3 * digits + digit);
  }
}

/** All digits 1: the rounded coefficients. */
function middleDigits(): i32 {
  let digits = 0;
  for (let p = 0; p < plan.P; p++) digits = 3 * digits + 1;
  return digits;
}

/** The error of the coefficients in plan.q; keeps them where they win. */
function tryCode(seed: i32, exponent: i32, scale: f64, turn: i32, digits: i32): void {
  const P = plan.P;
  let error: f64 = 0;
  for (let c = 0; c < plan.C; c++) {
    let sum = 0;
    for (let p = 0; p < P; p++) {
      sum += load<i32>(plan.basis + (<usize>(c * P + p) << 2)) * i32At(plan.q, p);
    }
    const decoded = (<f64>sum * scale) / plan.half;
    const miss = weightOf(c) - decoded;
    const square = miss * miss;
    error += plan.isWeighted ? square * importanceOf(c) : square;
    if (error > bestError || abs(decoded) >= FLOAT32_OVERFLOW) return;
  }
  const order = turn * 65536 + digits + 1;
  if (error == bestError && (seed > bestSeed || (seed == bestSeed && order >= bestOrder))) return;
  bestError = error;
  bestSeed = seed;
  bestExponent = exponent;
  bestOrder = order;
  memory.copy(plan.bestQ, plan.q, <usize>P << 2);
}
