// Scores of all seeds for 16 blocks at once: E = |L^-1 f|^2, the part of a block's norm that a basis can express, from
// the block's correlations f with the basis' features. Lanes are blocks; what belongs to a seed is the same in all.

import { madd } from "../../../tensor/assembly/simd";
import { hasSignFeatures } from "./library";
import { GROUP, halo, LANES, MAX_EXTRAS, paddedPeriod, plan, ROW, WARM } from "./plan";

// @ts-ignore: decorator
@inline
function greater(a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_max(a, b);
  return f32x4.pmax(a, b); // one instruction, unlike max: there are no NaNs
}

/**
 * Tables of `sum +-h w` over every pattern of signs, scaled so that the block has norm 1 and so have the vectors of
 * signs. blocks: f32 [LANES, C]; a block whose norm is 0 gets zeros.
 */
export function buildTables(blocks: usize): void {
  let total: f64 = 0;
  for (let c = 0; c < plan.C; c++) total += plan.isWeighted ? load<f64>(plan.importance + (<usize>c << 3)) : 1;

  for (let lane = 0; lane < LANES; lane++) {
    const norm = load<f64>(plan.norms + (<usize>lane << 3));
    const scale = norm > 0 ? 1 / sqrt(norm) / sqrt(total) : 0;
    const column = plan.tableRows + (<usize>lane << 2);
    for (let table = 0; table < plan.tables; table++) {
      const rows = column + (<usize>table << plan.tableBits) * ROW;
      const begin = table * plan.tableBits;
      const bits = min(plan.C - begin, plan.tableBits);
      let lowest: f64 = 0;
      for (let c = begin; c < begin + bits; c++) lowest -= scaledWeight(blocks, lane, c, scale);
      store<f32>(rows, <f32>lowest);
      for (let c = 0; c < bits; c++) {
        const step = <f32>(2 * scaledWeight(blocks, lane, begin + c, scale));
        const rowsSoFar = <usize>(1 << c) * ROW;
        for (let at = rows; at < rows + rowsSoFar; at += ROW) store<f32>(at + rowsSoFar, load<f32>(at) + step);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function scaledWeight(blocks: usize, lane: i32, c: i32, scale: f64): f64 {
  const w = <f64>load<f32>(blocks + (<usize>(lane * plan.C + c) << 2)) * scale;
  return plan.isWeighted ? w * load<f64>(plan.importance + (<usize>c << 3)) : w;
}

// @ts-ignore: decorator
@inline
function lookUp(pattern: usize, tables: i32, tableBytes: usize, offset: usize): v128 {
  let row = plan.tableRows + offset;
  let sum = v128.load(row + <usize>load<u16>(pattern) * ROW);
  for (let table = 1; table < tables; table++) {
    row += tableBytes;
    sum = f32x4.add(sum, v128.load(row + <usize>load<u16>(pattern + (<usize>table << 1)) * ROW));
  }
  return sum;
}

/**
 * Features of `count` steps: row i of plan.signs and plan.sums is step `first + i`, from row `row` on. The running sum
 * goes on from the row before.
 */
function walk(first: i32, row: i32, count: i32): void {
  const tables = plan.tables;
  const tableBytes = ROW << plan.tableBits;
  const patternBytes = <usize>tables << 1;
  const half = f32x4.splat(0.5);
  let pattern = plan.patterns + <usize>first * patternBytes;
  let sign = plan.signs + <usize>row * ROW;
  let sum = plan.sums + <usize>row * ROW;
  const end = sign + <usize>count * ROW;
  let y0 = v128.load(sum - ROW);
  let y1 = v128.load(sum - ROW, 16);
  let y2 = v128.load(sum - ROW, 32);
  let y3 = v128.load(sum - ROW, 48);
  while (sign < end) {
    const t0 = lookUp(pattern, tables, tableBytes, 0);
    const t1 = lookUp(pattern, tables, tableBytes, 16);
    const t2 = lookUp(pattern, tables, tableBytes, 32);
    const t3 = lookUp(pattern, tables, tableBytes, 48);
    v128.store(sign, t0);
    v128.store(sign, t1, 16);
    v128.store(sign, t2, 32);
    v128.store(sign, t3, 48);
    y0 = madd(half, y0, t0);
    y1 = madd(half, y1, t1);
    y2 = madd(half, y2, t2);
    y3 = madd(half, y3, t3);
    v128.store(sum, y0);
    v128.store(sum, y1, 16);
    v128.store(sum, y2, 32);
    v128.store(sum, y3, 48);
    pattern += patternBytes;
    sign += ROW;
    sum += ROW;
  }
}

// @ts-ignore: decorator
@inline
function norm1(
  c0: v128,
  f0: v128, isFirstUnit: i32,
): v128 {
  const z0 = isFirstUnit ? f0 : f32x4.mul(c0, f0);
  return f32x4.mul(z0, z0);
}

// @ts-ignore: decorator
@inline
function score1(coefficients: usize, a: usize, isFirstUnit: i32, maxima: usize): void {
  let m0 = f32x4.splat(0), m1 = f32x4.splat(0), m2 = f32x4.splat(0), m3 = f32x4.splat(0);
  for (const end = a + <usize>GROUP * ROW; a < end; a += ROW, coefficients += 4) {
    const c0 = v128.load32_splat(coefficients);
    m0 = greater(m0, norm1(c0, v128.load(a), isFirstUnit));
    m1 = greater(m1, norm1(c0, v128.load(a, 16), isFirstUnit));
    m2 = greater(m2, norm1(c0, v128.load(a, 32), isFirstUnit));
    m3 = greater(m3, norm1(c0, v128.load(a, 48), isFirstUnit));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
  v128.store(maxima, m2, 32);
  v128.store(maxima, m3, 48);
}

// @ts-ignore: decorator
@inline
function norm2(
  c0: v128, c1: v128, c2: v128,
  f0: v128, f1: v128, isFirstUnit: i32,
): v128 {
  const z0 = isFirstUnit ? f0 : f32x4.mul(c0, f0);
  const z1 = madd(c2, f1, f32x4.mul(c1, f0));
  return madd(z1, z1, f32x4.mul(z0, z0));
}

// @ts-ignore: decorator
@inline
function score2(coefficients: usize, a: usize, b: usize, isFirstUnit: i32, maxima: usize): void {
  let m0 = f32x4.splat(0), m1 = f32x4.splat(0), m2 = f32x4.splat(0), m3 = f32x4.splat(0);
  for (const end = a + <usize>GROUP * ROW; a < end; a += ROW, b += ROW, coefficients += 12) {
    const c0 = v128.load32_splat(coefficients);
    const c1 = v128.load32_splat(coefficients, 4);
    const c2 = v128.load32_splat(coefficients, 8);
    m0 = greater(m0, norm2(c0, c1, c2, v128.load(a), v128.load(b), isFirstUnit));
    m1 = greater(m1, norm2(c0, c1, c2, v128.load(a, 16), v128.load(b, 16), isFirstUnit));
    m2 = greater(m2, norm2(c0, c1, c2, v128.load(a, 32), v128.load(b, 32), isFirstUnit));
    m3 = greater(m3, norm2(c0, c1, c2, v128.load(a, 48), v128.load(b, 48), isFirstUnit));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
  v128.store(maxima, m2, 32);
  v128.store(maxima, m3, 48);
}

// @ts-ignore: decorator
@inline
function norm3(
  c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128,
  f0: v128, f1: v128, f2: v128, isFirstUnit: i32,
): v128 {
  const z0 = isFirstUnit ? f0 : f32x4.mul(c0, f0);
  const z1 = madd(c2, f1, f32x4.mul(c1, f0));
  const z2 = madd(c5, f2, madd(c4, f1, f32x4.mul(c3, f0)));
  return madd(z2, z2, madd(z1, z1, f32x4.mul(z0, z0)));
}

// @ts-ignore: decorator
@inline
function score3(coefficients: usize, a: usize, b: usize, c: usize, isFirstUnit: i32, maxima: usize): void {
  let m0 = f32x4.splat(0), m1 = f32x4.splat(0), m2 = f32x4.splat(0), m3 = f32x4.splat(0);
  for (const end = a + <usize>GROUP * ROW; a < end; a += ROW, b += ROW, c += ROW, coefficients += 24) {
    const c0 = v128.load32_splat(coefficients);
    const c1 = v128.load32_splat(coefficients, 4);
    const c2 = v128.load32_splat(coefficients, 8);
    const c3 = v128.load32_splat(coefficients, 12);
    const c4 = v128.load32_splat(coefficients, 16);
    const c5 = v128.load32_splat(coefficients, 20);
    m0 = greater(m0, norm3(c0, c1, c2, c3, c4, c5, v128.load(a), v128.load(b), v128.load(c), isFirstUnit));
    m1 = greater(m1, norm3(c0, c1, c2, c3, c4, c5, v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), isFirstUnit));
    m2 = greater(m2, norm3(c0, c1, c2, c3, c4, c5, v128.load(a, 32), v128.load(b, 32), v128.load(c, 32), isFirstUnit));
    m3 = greater(m3, norm3(c0, c1, c2, c3, c4, c5, v128.load(a, 48), v128.load(b, 48), v128.load(c, 48), isFirstUnit));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
  v128.store(maxima, m2, 32);
  v128.store(maxima, m3, 48);
}

// @ts-ignore: decorator
@inline
function norm4(
  c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128, c7: v128, c8: v128, c9: v128,
  f0: v128, f1: v128, f2: v128, f3: v128, isFirstUnit: i32,
): v128 {
  const z0 = isFirstUnit ? f0 : f32x4.mul(c0, f0);
  const z1 = madd(c2, f1, f32x4.mul(c1, f0));
  const z2 = madd(c5, f2, madd(c4, f1, f32x4.mul(c3, f0)));
  const z3 = madd(c9, f3, madd(c8, f2, madd(c7, f1, f32x4.mul(c6, f0))));
  return madd(z3, z3, madd(z2, z2, madd(z1, z1, f32x4.mul(z0, z0))));
}

// @ts-ignore: decorator
@inline
function score4(coefficients: usize, a: usize, b: usize, c: usize, d: usize, isFirstUnit: i32, maxima: usize): void {
  let m0 = f32x4.splat(0), m1 = f32x4.splat(0), m2 = f32x4.splat(0), m3 = f32x4.splat(0);
  for (const end = a + <usize>GROUP * ROW; a < end; a += ROW, b += ROW, c += ROW, d += ROW, coefficients += 40) {
    const c0 = v128.load32_splat(coefficients);
    const c1 = v128.load32_splat(coefficients, 4);
    const c2 = v128.load32_splat(coefficients, 8);
    const c3 = v128.load32_splat(coefficients, 12);
    const c4 = v128.load32_splat(coefficients, 16);
    const c5 = v128.load32_splat(coefficients, 20);
    const c6 = v128.load32_splat(coefficients, 24);
    const c7 = v128.load32_splat(coefficients, 28);
    const c8 = v128.load32_splat(coefficients, 32);
    const c9 = v128.load32_splat(coefficients, 36);
    m0 = greater(m0, norm4(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, v128.load(a), v128.load(b), v128.load(c), v128.load(d), isFirstUnit));
    m1 = greater(m1, norm4(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), v128.load(d, 16), isFirstUnit));
    m2 = greater(m2, norm4(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, v128.load(a, 32), v128.load(b, 32), v128.load(c, 32), v128.load(d, 32), isFirstUnit));
    m3 = greater(m3, norm4(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, v128.load(a, 48), v128.load(b, 48), v128.load(c, 48), v128.load(d, 48), isFirstUnit));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
  v128.store(maxima, m2, 32);
  v128.store(maxima, m3, 48);
}

/** Scores of one vector of lanes with any number of features: `rows` holds their addresses. */
function normOf(coefficients: usize, rows: usize, offset: usize): v128 {
  let total = f32x4.splat(0);
  for (let i = 0; i < plan.P; i++) {
    let z = f32x4.splat(0);
    for (let j = 0; j <= i; j++) {
      z = madd(v128.load32_splat(coefficients), v128.load(<usize>load<u32>(rows + (<usize>j << 2)) + offset), z);
      coefficients += 4;
    }
    total = madd(z, z, total);
  }
  return total;
}

/** `score1` to `score4` for more features. */
function scoreMany(coefficients: usize, rows: usize, maxima: usize): void {
  for (let offset: usize = 0; offset < ROW; offset += 16) v128.store(maxima + offset, f32x4.splat(0));
  for (let seed = 0; seed < GROUP; seed++) {
    for (let offset: usize = 0; offset < ROW; offset += 16) {
      const score = normOf(coefficients, rows, offset);
      v128.store(maxima + offset, greater(v128.load(maxima + offset), score));
    }
    coefficients += <usize>plan.factorSize << 2;
    for (let i = 0; i < plan.P; i++) {
      const at = rows + (<usize>i << 2);
      store<u32>(at, load<u32>(at) + <u32>ROW);
    }
  }
}

/** Row of feature i of the seed in row `row` of the buffers. */
// @ts-ignore: decorator
@inline
function featureRow(row: i32, i: i32): usize {
  if (!hasSignFeatures()) return plan.sums + <usize>(row + (1 + i) * plan.decimation) * ROW;
  return i < plan.P - 1 ? plan.signs + <usize>(row + 2 + i) * ROW : plan.sums + <usize>(row + 1) * ROW;
}

/** The largest score of each lane among GROUP seeds, the first of which is in row `row` of the buffers. */
function scoreGroup(coefficients: usize, row: i32, maxima: usize): void {
  const P = plan.P;
  const a = featureRow(row, 0);
  const b = featureRow(row, 1);
  const c = featureRow(row, 2);
  const d = featureRow(row, 3);
  if (P == 3) {
    if (hasSignFeatures()) score3(coefficients, a, b, c, 1, maxima);
    else score3(coefficients, a, b, c, 0, maxima);
  } else if (P == 4) {
    if (hasSignFeatures()) score4(coefficients, a, b, c, d, 1, maxima);
    else score4(coefficients, a, b, c, d, 0, maxima);
  } else if (P == 2) {
    if (hasSignFeatures()) score2(coefficients, a, b, 1, maxima);
    else score2(coefficients, a, b, 0, maxima);
  } else if (P == 1) {
    score1(coefficients, a, 0, maxima);
  } else {
    for (let i = 0; i < P; i++) store<u32>(plan.featureRows + (<usize>i << 2), <u32>featureRow(row, i));
    scoreMany(coefficients, plan.featureRows, maxima);
  }
}

/** Fills plan.maxima: for each group of seeds along the cycle, the largest score of each lane. */
export function scoreAll(): void {
  const period = paddedPeriod();
  const ahead = halo();
  const groupBytes = <usize>(GROUP * plan.factorSize) << 2;
  // Row 0 is the step before the one in row 1.
  memory.fill(plan.sums, 0, ROW);
  walk((plan.period - (WARM % plan.period)) % plan.period, 1, WARM);
  memory.copy(plan.sums, plan.sums + <usize>WARM * ROW, ROW);
  walk(0, 1, ahead);

  let coefficients = plan.coefficients;
  let maxima = plan.maxima;
  for (let begin = 0; begin < period; begin += plan.chunk) {
    const count = min(plan.chunk, period - begin);
    walk(begin + ahead, 1 + ahead, count);
    for (let row = 1; row <= count; row += GROUP) {
      scoreGroup(coefficients, row, maxima);
      coefficients += groupBytes;
      maxima += ROW;
    }
    memory.copy(plan.sums, plan.sums + <usize>count * ROW, <usize>(1 + ahead) * ROW);
    memory.copy(plan.signs, plan.signs + <usize>count * ROW, <usize>(1 + ahead) * ROW);
  }
}

/** Scores of the extra seeds for all lanes, into plan.extraScores; infinite where they say nothing. */
export function scoreExtras(): void {
  const ahead = halo();
  for (let number = 0; number < min(plan.extraCount, MAX_EXTRAS); number++) {
    const scores = plan.extraScores + <usize>number * ROW;
    const isUseful = ahead <= 256 && load<f32>(plan.extraSlacks + (<usize>number << 2)) < 1;
    if (isUseful) {
      const position = load<i32>(plan.extras + (<usize>number << 2));
      memory.fill(plan.sums, 0, ROW);
      walk((position + 1 + (WARM - 1) * plan.period - (WARM - 1)) % plan.period, 1, WARM + ahead);
      for (let i = 0; i < plan.P; i++) store<u32>(plan.featureRows + (<usize>i << 2), <u32>featureRow(WARM - 1, i));
    }
    const coefficients = plan.extraCoefficients + (<usize>(number * plan.factorSize) << 2);
    for (let offset: usize = 0; offset < ROW; offset += 16) {
      v128.store(scores + offset, isUseful ? normOf(coefficients, plan.featureRows, offset) : f32x4.splat(Infinity));
    }
  }
}

/** Scores of GROUP seeds from position `begin` on for the block in one lane, into plan.scores. */
export function scoreOne(lane: i32, begin: i32): void {
  const tables = plan.tables;
  const tableBytes = ROW << plan.tableBits;
  const column = plan.tableRows + (<usize>lane << 2);
  const first = begin - WARM;
  const count = WARM + GROUP + halo();
  let sum: f32 = 0;
  for (let i = 0; i < count; i++) {
    const step = first + i < 0 ? (first + i + WARM * plan.period) % plan.period : first + i;
    let pattern = plan.patterns + (<usize>(step * tables) << 1);
    let sign: f32 = 0;
    for (let table = 0; table < tables; table++, pattern += 2) {
      sign += load<f32>(column + <usize>table * tableBytes + <usize>load<u16>(pattern) * ROW);
    }
    sum = <f32>0.5 * sum + sign;
    store<f32>(plan.laneSigns + (<usize>i << 2), sign);
    store<f32>(plan.laneSums + (<usize>i << 2), sum);
  }

  let coefficients = plan.coefficients + (<usize>(begin * plan.factorSize) << 2);
  for (let seed = 0; seed < GROUP; seed++) {
    let total: f32 = 0;
    for (let i = 0; i < plan.P; i++) {
      let z: f32 = 0;
      for (let j = 0; j <= i; j++, coefficients += 4) z += load<f32>(coefficients) * laneFeature(WARM + seed, j);
      total += z * z;
    }
    store<f32>(plan.scores + (<usize>seed << 2), total);
  }
}

// @ts-ignore: decorator
@inline
function laneFeature(row: i32, i: i32): f32 {
  if (!hasSignFeatures()) return load<f32>(plan.laneSums + (<usize>(row + (1 + i) * plan.decimation) << 2));
  if (i < plan.P - 1) return load<f32>(plan.laneSigns + (<usize>(row + 2 + i) << 2));
  return load<f32>(plan.laneSums + (<usize>(row + 1) << 2));
}
