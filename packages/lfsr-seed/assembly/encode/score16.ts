// The scores of score.ts in 16-bit fixed point, twice as many in a vector: for the bases of signs (no decimation) with two to
// four coefficients. Features and scores are in [-1, 1], times 2^15; a row of coefficients is divided by a power of two that
// brings them there too, and the sum of products multiplied by it. How far such a score may be off is known for every
// seed; what is off too far is an extra.

import { SCALE16 } from "./fixed-point";
import { GROUP, halo, paddedPeriod, plan, ROW, ROW16, WARM } from "./plan";

// @ts-ignore: decorator
@inline
function times(a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_q15mulr_s(a, b);
  return i16x8.q15mulr_sat_s(a, b);
}

/** Brings the float32 tables of a batch to 16 bits. Those of the first are offset by 2^15: see `walk`. */
export function buildTables16(): void {
  const scale = f32x4.splat(SCALE16);
  const first = plan.tableRows + (ROW << plan.tableBits);
  let to = plan.tableRows16;
  const end = plan.tableRows + <usize>plan.tables * (ROW << plan.tableBits);
  for (let at = plan.tableRows; at < end; at += ROW, to += ROW16) {
    const bias = i16x8.splat(at < first ? -32768 : 0);
    const a = rounded(f32x4.mul(v128.load(at), scale));
    const b = rounded(f32x4.mul(v128.load(at, 16), scale));
    const c = rounded(f32x4.mul(v128.load(at, 32), scale));
    const d = rounded(f32x4.mul(v128.load(at, 48), scale));
    v128.store(to, v128.xor(i16x8.narrow_i32x4_s(a, b), bias));
    v128.store(to, v128.xor(i16x8.narrow_i32x4_s(c, d), bias), 16);
  }
}

// @ts-ignore: decorator
@inline
function rounded(x: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(x));
}

/**
 * As in score.ts. The running sum here is half of that there, so that it stays in [-1, 1]: the mean of the one before
 * and the signs' sum. The instruction for means takes numbers without sign, so both are offset by 2^15.
 */
function walk(first: i32, row: i32, count: i32): void {
  const tables = plan.tables;
  const tableBytes = ROW16 << plan.tableBits;
  const patternBytes = <usize>tables << 1;
  const bias = i16x8.splat(-32768 + <i16>(memory.size() >>> 20)); // a variable, or V8 would make it anew at each use
  let pattern = plan.patterns + <usize>first * patternBytes;
  let sign = plan.signs + <usize>row * ROW16;
  let sum = plan.sums + <usize>row * ROW16;
  const end = sign + <usize>count * ROW16;
  let y0 = v128.xor(v128.load(sum - ROW16), bias);
  let y1 = v128.xor(v128.load(sum - ROW16, 16), bias);
  while (sign < end) {
    let from = plan.tableRows16 + <usize>load<u16>(pattern) * ROW16;
    let t0 = v128.load(from);
    let t1 = v128.load(from, 16);
    for (let table = 1; table < tables; table++) {
      from = plan.tableRows16 + <usize>table * tableBytes + <usize>load<u16>(pattern + (<usize>table << 1)) * ROW16;
      t0 = i16x8.add(t0, v128.load(from));
      t1 = i16x8.add(t1, v128.load(from, 16));
    }
    y0 = i16x8.avgr_u(y0, t0);
    y1 = i16x8.avgr_u(y1, t1);
    v128.store(sign, v128.xor(t0, bias));
    v128.store(sign, v128.xor(t1, bias), 16);
    v128.store(sum, v128.xor(y0, bias));
    v128.store(sum, v128.xor(y1, bias), 16);
    pattern += patternBytes;
    sign += ROW16;
    sum += ROW16;
  }
}

// @ts-ignore: decorator
@inline
function norm2(
  c0: v128, c1: v128,
  f0: v128, f1: v128, shift: i32,
): v128 {
  const z1 = i16x8.shl(i16x8.add(times(c0, f0), times(c1, f1)), shift);
  return i16x8.add(times(f0, f0), times(z1, z1));
}

// @ts-ignore: decorator
@inline
function score2(coefficients: usize, a: usize, b: usize, shift: i32, maxima: usize): void {
  let m0 = i16x8.splat(0), m1 = i16x8.splat(0);
  for (const end = a + <usize>GROUP * ROW16; a < end; a += ROW16, b += ROW16, coefficients += 4) {
    const c0 = v128.load16_splat(coefficients);
    const c1 = v128.load16_splat(coefficients, 2);
    m0 = i16x8.max_s(m0, norm2(c0, c1, v128.load(a), v128.load(b), shift));
    m1 = i16x8.max_s(m1, norm2(c0, c1, v128.load(a, 16), v128.load(b, 16), shift));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
}

// @ts-ignore: decorator
@inline
function norm3(
  c0: v128, c1: v128, c2: v128, c3: v128, c4: v128,
  f0: v128, f1: v128, f2: v128, shift: i32,
): v128 {
  const z1 = i16x8.shl(i16x8.add(times(c0, f0), times(c1, f1)), 1);
  const z2 = i16x8.shl(i16x8.add(i16x8.add(times(c2, f0), times(c3, f1)), times(c4, f2)), shift);
  return i16x8.add(i16x8.add(times(f0, f0), times(z1, z1)), times(z2, z2));
}

// @ts-ignore: decorator
@inline
function score3(coefficients: usize, a: usize, b: usize, c: usize, shift: i32, maxima: usize): void {
  let m0 = i16x8.splat(0), m1 = i16x8.splat(0);
  for (const end = a + <usize>GROUP * ROW16; a < end; a += ROW16, b += ROW16, c += ROW16, coefficients += 10) {
    const c0 = v128.load16_splat(coefficients);
    const c1 = v128.load16_splat(coefficients, 2);
    const c2 = v128.load16_splat(coefficients, 4);
    const c3 = v128.load16_splat(coefficients, 6);
    const c4 = v128.load16_splat(coefficients, 8);
    m0 = i16x8.max_s(m0, norm3(c0, c1, c2, c3, c4, v128.load(a), v128.load(b), v128.load(c), shift));
    m1 = i16x8.max_s(m1, norm3(c0, c1, c2, c3, c4, v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), shift));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
}

// @ts-ignore: decorator
@inline
function norm4(
  c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128, c7: v128, c8: v128,
  f0: v128, f1: v128, f2: v128, f3: v128, shift: i32,
): v128 {
  const z1 = i16x8.shl(i16x8.add(times(c0, f0), times(c1, f1)), 1);
  const z2 = i16x8.shl(i16x8.add(i16x8.add(times(c2, f0), times(c3, f1)), times(c4, f2)), 1);
  const z3 = i16x8.shl(i16x8.add(i16x8.add(i16x8.add(times(c5, f0), times(c6, f1)), times(c7, f2)), times(c8, f3)), shift);
  return i16x8.add(i16x8.add(i16x8.add(times(f0, f0), times(z1, z1)), times(z2, z2)), times(z3, z3));
}

// @ts-ignore: decorator
@inline
function score4(coefficients: usize, a: usize, b: usize, c: usize, d: usize, shift: i32, maxima: usize): void {
  let m0 = i16x8.splat(0), m1 = i16x8.splat(0);
  for (const end = a + <usize>GROUP * ROW16; a < end; a += ROW16, b += ROW16, c += ROW16, d += ROW16, coefficients += 18) {
    const c0 = v128.load16_splat(coefficients);
    const c1 = v128.load16_splat(coefficients, 2);
    const c2 = v128.load16_splat(coefficients, 4);
    const c3 = v128.load16_splat(coefficients, 6);
    const c4 = v128.load16_splat(coefficients, 8);
    const c5 = v128.load16_splat(coefficients, 10);
    const c6 = v128.load16_splat(coefficients, 12);
    const c7 = v128.load16_splat(coefficients, 14);
    const c8 = v128.load16_splat(coefficients, 16);
    m0 = i16x8.max_s(m0, norm4(c0, c1, c2, c3, c4, c5, c6, c7, c8, v128.load(a), v128.load(b), v128.load(c), v128.load(d), shift));
    m1 = i16x8.max_s(m1, norm4(c0, c1, c2, c3, c4, c5, c6, c7, c8, v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), v128.load(d, 16), shift));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
}

/** The largest score of each lane among GROUP seeds, the first of which is in row `row` of the buffers. */
function scoreGroup(coefficients: usize, row: i32, maxima: usize): void {
  const signs = plan.signs + <usize>(row + 2) * ROW16;
  const sum = plan.sums + <usize>(row + 1) * ROW16;
  if (plan.shift == 2) scoreBy(coefficients, signs, sum, 2, maxima);
  else if (plan.shift == 3) scoreBy(coefficients, signs, sum, 3, maxima);
  else scoreBy(coefficients, signs, sum, 4, maxima);
}

// @ts-ignore: decorator
@inline
function scoreBy(coefficients: usize, signs: usize, sum: usize, shift: i32, maxima: usize): void {
  if (plan.P == 3) score3(coefficients, signs, signs + ROW16, sum, shift, maxima);
  else if (plan.P == 4) score4(coefficients, signs, signs + ROW16, signs + 2 * ROW16, sum, shift, maxima);
  else score2(coefficients, signs, sum, shift, maxima);
}

/** Fills plan.maxima: for each group of seeds along the cycle, the largest score of each lane, i16. */
export function scoreAll16(): void {
  const period = paddedPeriod();
  const ahead = halo();
  const groupBytes = <usize>(GROUP * (plan.factorSize - 1)) << 1;
  memory.fill(plan.sums, 0, ROW16);
  walk((plan.period - (WARM % plan.period)) % plan.period, 1, WARM);
  memory.copy(plan.sums, plan.sums + <usize>WARM * ROW16, ROW16);
  walk(0, 1, ahead);

  let coefficients = plan.coefficients16;
  let maxima = plan.maxima;
  for (let begin = 0; begin < period; begin += plan.chunk) {
    const count = min(plan.chunk, period - begin);
    walk(begin + ahead, 1 + ahead, count);
    for (let row = 1; row <= count; row += GROUP) {
      scoreGroup(coefficients, row, maxima);
      coefficients += groupBytes;
      maxima += ROW16;
    }
    memory.copy(plan.sums, plan.sums + <usize>count * ROW16, <usize>(1 + ahead) * ROW16);
    memory.copy(plan.signs, plan.signs + <usize>count * ROW16, <usize>(1 + ahead) * ROW16);
  }
}

/** The largest score of each lane, i16, and a group that has it. */
export function findLargest16(): void {
  for (let offset: usize = 0; offset < ROW16; offset += 16) {
    let largest = i16x8.splat(-1);
    let groups = i16x8.splat(0);
    let group = i16x8.splat(0);
    const one = i16x8.splat(1);
    const end = plan.maxima + <usize>(paddedPeriod() / GROUP) * ROW16;
    for (let at = plan.maxima; at < end; at += ROW16) {
      const scores = v128.load(at + offset);
      const isLarger = i16x8.gt_s(scores, largest);
      largest = i16x8.max_s(scores, largest);
      groups = v128.bitselect(group, groups, isLarger);
      group = i16x8.add(group, one);
    }
    v128.store(plan.largestGroups + 2 * offset, i32x4.extend_low_i16x8_u(groups));
    v128.store(plan.largestGroups + 2 * offset, i32x4.extend_high_i16x8_u(groups), 16);
  }
}
