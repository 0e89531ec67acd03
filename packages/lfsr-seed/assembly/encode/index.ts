// The seed search of SeedLM for many blocks, in a memory of its own. All seeds are scored in float32 on a basis that is
// nearly the exact one (library.ts); what could then still win is evaluated in float64 (evaluate.ts), so that the codes
// are those of the normative encoder, bit for bit.

import {
  beginBlock,
  currentError,
  endBlock,
  evaluate,
  foundBytes,
  inReach,
  isAnyInReach,
  keepFound,
  normOfBlock,
  takeFound,
} from "./evaluate";
import { quantiseCoefficients, SCORE_SCALE16 } from "./fixed-point";
import { buildCoefficients, buildCycle } from "./library";
import { buildRing, searchOwn } from "./own-importance";
import { codeBytes, GROUP, LANES, MAX_EXTRAS, MAX_HITS, paddedPeriod, place, plan, ROW, ROW16 } from "./plan";
import { buildTables, scoreAll, scoreExtras, scoreOne } from "./score";
import { buildTables16, findLargest16, scoreAll16 } from "./score16";

/**
 * Prepares for a configuration; the same again costs nothing. Then for each batch: blocks f32 [count, C] and their
 * importance f64, where they have any, to their addresses; `encode`; codes from theirs.
 *
 * @returns 0 where there is no memory for it
 */
export function configure(
  C: i32, P: i32, K: i32, taps: i32, decimation: i32, nSeeds: i32, rule: i32, capacity: i32,
): i32 {
  const placed = place(C, P, K, taps, decimation, nSeeds, rule, capacity);
  if (placed == 1) {
    buildCycle();
    buildRing();
  }
  return placed;
}

export function importanceAddress(): usize {
  return plan.given;
}
export function blocksAddress(): usize {
  return plan.blocks;
}
export function codesAddress(): usize {
  return plan.codes;
}

/**
 * The best codes of the first `count` blocks. The code of each, 8-byte aligned: seed u32, exponent code u32, error f64,
 * coefficients i8 [P], then nothing up to the next multiple of 8.
 *
 * @param importance - 0 none, 1 the same [C] for all blocks, 2 for each its own [count, C]
 */
export function encode(count: i32, expBias: i32, importance: i32): void {
  if (importance == 2) {
    for (let block = 0; block < count; block++) encodeOne(block, expBias);
    return;
  }
  prepareScoring(importance);
  for (let first = 0; first < count; first += LANES) encodeLanes(first, min(LANES, count - first), expBias);
}

/** A block with an importance of its own. */
function encodeOne(index: i32, expBias: i32): void {
  const bytes = <usize>plan.C << 3;
  memory.copy(plan.importance, plan.given + <usize>index * bytes, bytes);
  const wasWeighted = plan.isWeighted;
  plan.isWeighted = 1;
  const norm = normOfBlock(blockAt(index));
  beginBlock(blockAt(index), norm, expBias);
  if (norm > 0) searchOwn(blockAt(index), norm);
  endBlock(plan.codes + <usize>index * codeBytes());
  plan.isWeighted = wasWeighted == 0 ? 0 : -1; // the importance that weighted bases were made for is gone
}

function weighEqually(): void {
  if (plan.isWeighted == 0) return;
  plan.isWeighted = 0;
  buildCoefficients();
  quantiseCoefficients();
}

/** Makes the scored bases for an importance f64 [C], unless they are. */
function weigh(importance: usize): void {
  const bytes = <usize>plan.C << 3;
  if (plan.isWeighted == 1 && memory.compare(importance, plan.importance, bytes) == 0) return;
  memory.copy(plan.importance, importance, bytes);
  plan.isWeighted = 1;
  buildCoefficients();
  quantiseCoefficients();
}

/** For a search that scores elsewhere: what it scores by. See library.ts; `importance` as in `encode`, 0 or 1. */
export function prepareScoring(importance: i32): void {
  if (importance == 0) weighEqually();
  else weigh(plan.given);
}
export function coefficientsAddress(): usize {
  return plan.coefficients;
}
export function patternsAddress(): usize {
  return plan.patterns;
}

/** Room for `bytes` of what `bound` and `finish` take and give, behind all tables; 0 where there is none. */
export function inbox(bytes: usize): usize {
  const missing = <i32>((plan.end + bytes + 65535) >>> 16) - memory.size();
  return missing > 0 && memory.grow(missing) < 0 ? 0 : plan.end;
}

/**
 * For the first `count` blocks, given for each a group of seeds with the largest score, i32 [count] in the inbox: leaves there
 * the scores from which on a seed may win, f32 [count], and the best codes so far, [count] times `foundBytes`.
 *
 * @param importance - as in `encode`, 0 or 1
 */
export function bound(count: i32, expBias: i32, importance: i32): void {
  prepareScoring(importance);
  for (let first = 0; first < count; first += LANES) {
    const lanes = min(LANES, count - first);
    const at = plan.end + (<usize>first << 2);
    memory.copy(plan.largestGroups, at, <usize>lanes << 2);
    beginLanes(first, lanes);
    boundLanes(first, expBias, plan.rounding);
    memory.copy(at, plan.thresholds, <usize>lanes << 2);
  }
  memory.copy(plan.end + (<usize>count << 2), plan.found, <usize>count * foundBytes());
}

/**
 * After `bound`, given in the inbox the best codes so far that it left, and all groups that reach its scores: where those of
 * each block begin, u32 [count + 1], the groups, u32, and the largest score of each, f32. Codes go where `encode` puts them.
 */
export function finish(count: i32, expBias: i32, importance: i32): void {
  prepareScoring(importance);
  const found = <usize>count * foundBytes();
  memory.copy(plan.found, plan.end, found);
  const begins = plan.end + found;
  const groups = begins + (<usize>(count + 1) << 2);
  const scores = groups + (<usize>load<u32>(begins + (<usize>count << 2)) << 2);
  for (let first = 0; first < count; first += LANES) {
    const lanes = min(LANES, count - first);
    let most = 0;
    for (let lane = 0; lane < lanes; lane++) {
      const from = load<u32>(begins + (<usize>(first + lane) << 2));
      const n = load<u32>(begins + (<usize>(first + lane + 1) << 2)) - from;
      most = max(most, <i32>n);
      if (<i32>n > MAX_HITS) continue;
      store<u32>(plan.hitCounts + (<usize>lane << 2), n);
      const to = <usize>(lane * MAX_HITS) << 2;
      memory.copy(plan.hits + to, groups + (<usize>from << 2), <usize>n << 2);
      memory.copy(plan.hitScores + to, scores + (<usize>from << 2), <usize>n << 2);
    }
    if (most > MAX_HITS) {
      encodeLanes(first, lanes, expBias);
      continue;
    }
    beginLanes(first, lanes);
    finishLanes(first, lanes, expBias, plan.rounding);
  }
}

/** `encode` for LANES blocks from `first` on, after `prepareScoring`. */
function encodeLanes(first: i32, lanes: i32, expBias: i32): void {
  beginLanes(first, lanes);
  if (plan.shift > 0) {
    buildTables16();
    scoreAll16();
    findLargest16();
  } else {
    scoreAll();
    findLargest();
  }
  const rounding = plan.shift > 0 ? max(plan.rounding, plan.rounding16) : plan.rounding;
  boundLanes(first, expBias, rounding);
  if (plan.shift > 0) findHits16();
  else findHits();
  finishLanes(first, lanes, expBias, rounding);
}

// @ts-ignore: decorator
@inline
function blockAt(index: i32): usize {
  return plan.blocks + (<usize>(index * plan.C) << 2);
}

function beginLanes(first: i32, lanes: i32): void {
  for (let lane = 0; lane < LANES; lane++) {
    const norm = lane < lanes ? normOfBlock(blockAt(first + lane)) : 0;
    store<f64>(plan.norms + (<usize>lane << 3), norm);
  }
  buildTables(blockAt(first));
}

/** The best seed before quantisation gives a bound that leaves few others. */
function boundLanes(first: i32, expBias: i32, rounding: f64): void {
  scoreExtras();
  for (let lane = 0; lane < LANES; lane++) {
    const norm = load<f64>(plan.norms + (<usize>lane << 3));
    beginBlock(blockAt(first + lane), norm, expBias);
    if (norm > 0) {
      evaluateLargest(lane, load<i32>(plan.largestGroups + (<usize>lane << 2)));
      evaluateExtras(lane, norm);
    }
    store<f32>(plan.thresholds + (<usize>lane << 2), norm > 0 ? threshold(norm, rounding) : Infinity);
    keepFound(plan.found + <usize>(first + lane) * foundBytes());
  }
}

function finishLanes(first: i32, lanes: i32, expBias: i32, rounding: f64): void {
  for (let lane = 0; lane < lanes; lane++) {
    const norm = load<f64>(plan.norms + (<usize>lane << 3));
    beginBlock(blockAt(first + lane), norm, expBias);
    takeFound(plan.found + <usize>(first + lane) * foundBytes());
    if (norm > 0) evaluateHits(lane, norm, rounding);
    endBlock(plan.codes + <usize>(first + lane) * codeBytes());
  }
}

function evaluateExtras(lane: i32, norm: f64): void {
  for (let number = 0; number < plan.extraCount; number++) {
    if (number < MAX_EXTRAS) {
      const slack = <f64>load<f32>(plan.extraSlacks + (<usize>number << 2));
      const reach = sqrt(currentError() / norm) + slack;
      const score = <f64>load<f32>(plan.extraScores + ((<usize>(number * LANES + lane)) << 2));
      if (score < 1 - reach * reach - max(slack, plan.rounding)) continue;
    }
    const position = load<i32>(plan.extras + (<usize>number << 2));
    if (inReach(position)) evaluate(position);
  }
}

/** The largest score of each lane, and a group that has it. */
function findLargest(): void {
  for (let offset: usize = 0; offset < ROW; offset += 16) {
    let largest = f32x4.splat(-1);
    let groups = i32x4.splat(0);
    let group = i32x4.splat(0);
    const one = i32x4.splat(1);
    const end = plan.maxima + <usize>(paddedPeriod() / GROUP) * ROW;
    for (let at = plan.maxima; at < end; at += ROW) {
      const scores = v128.load(at + offset);
      const isLarger = f32x4.gt(scores, largest);
      largest = v128.bitselect(scores, largest, isLarger);
      groups = v128.bitselect(group, groups, isLarger);
      group = i32x4.add(group, one);
    }
    v128.store(plan.largestGroups + offset, groups);
  }
}

/** The score from which on a seed may win against the best error so far. */
// @ts-ignore: decorator
@inline
function threshold(norm: f64, rounding: f64): f32 {
  const reach = sqrt(currentError() / norm) + plan.tilt;
  return <f32>(1 - reach * reach - rounding);
}

/** Notes for each lane the groups that reach its threshold. */
function findHits(): void {
  memory.fill(plan.hitCounts, 0, ROW);
  const t0 = v128.load(plan.thresholds);
  const t1 = v128.load(plan.thresholds, 16);
  const t2 = v128.load(plan.thresholds, 32);
  const t3 = v128.load(plan.thresholds, 48);
  const groups = paddedPeriod() / GROUP;
  let at = plan.maxima;
  for (let group = 0; group < groups; group++, at += ROW) {
    const h0 = f32x4.ge(v128.load(at), t0);
    const h1 = f32x4.ge(v128.load(at, 16), t1);
    const h2 = f32x4.ge(v128.load(at, 32), t2);
    const h3 = f32x4.ge(v128.load(at, 48), t3);
    if (!v128.any_true(v128.or(v128.or(h0, h1), v128.or(h2, h3)))) continue;
    noteHits(
      group,
      i32x4.bitmask(h0) | (i32x4.bitmask(h1) << 4) | (i32x4.bitmask(h2) << 8) | (i32x4.bitmask(h3) << 12),
    );
  }
}

/** The same for scores in 16 bits. */
function findHits16(): void {
  memory.fill(plan.hitCounts, 0, ROW);
  for (let lane: usize = 0; lane < <usize>LANES; lane++) {
    const least = <f64>load<f32>(plan.thresholds + (lane << 2)) * SCORE_SCALE16;
    store<i16>(plan.thresholds16 + (lane << 1), <i16>min(max(floor(least), -32768), 32767));
  }
  const t0 = v128.load(plan.thresholds16);
  const t1 = v128.load(plan.thresholds16, 16);
  const groups = paddedPeriod() / GROUP;
  let at = plan.maxima;
  for (let group = 0; group < groups; group++, at += ROW16) {
    const h0 = i16x8.ge_s(v128.load(at), t0);
    const h1 = i16x8.ge_s(v128.load(at, 16), t1);
    if (v128.any_true(v128.or(h0, h1))) noteHits(group, i16x8.bitmask(h0) | (i16x8.bitmask(h1) << 8));
  }
}

/** Notes a group for each lane whose bit is set. */
function noteHits(group: i32, lanes: i32): void {
  for (; lanes != 0; lanes &= lanes - 1) {
    const lane = <usize>ctz(lanes);
    const count = load<i32>(plan.hitCounts + (lane << 2));
    store<i32>(plan.hitCounts + (lane << 2), count + 1);
    if (count >= MAX_HITS) continue;
    const at = (lane * <usize>MAX_HITS + <usize>count) << 2;
    store<i32>(plan.hits + at, group);
    store<f32>(plan.hitScores + at, maximumOf(<i32>lane, group));
  }
}

/** The largest score of a group of seeds in one lane. */
// @ts-ignore: decorator
@inline
function maximumOf(lane: i32, group: i32): f32 {
  const row = <usize>(group * LANES + lane);
  if (plan.shift == 0) return load<f32>(plan.maxima + (row << 2));
  return <f32>load<i16>(plan.maxima + (row << 1)) / <f32>SCORE_SCALE16;
}

/** Evaluates the groups that were noted, best first: the bound falls, and most need no look. */
function evaluateHits(lane: i32, norm: f64, rounding: f64): void {
  const count = load<i32>(plan.hitCounts + (<usize>lane << 2));
  if (count > MAX_HITS) {
    if (!isAnyInReach()) return;
    for (let group = 0; group < paddedPeriod() / GROUP; group++) {
      if (maximumOf(lane, group) >= threshold(norm, rounding) && isGroupInReach(group)) evaluateGroup(lane, group, norm);
    }
    return;
  }
  const hits = plan.hits + (<usize>(lane * MAX_HITS) << 2);
  const scores = plan.hitScores + (<usize>(lane * MAX_HITS) << 2);
  for (let left = <usize>count; left > 0; left--) {
    let best: usize = 0;
    for (let i: usize = 1; i < left; i++) {
      if (load<f32>(scores + (i << 2)) > load<f32>(scores + (best << 2))) best = i;
    }
    if (load<f32>(scores + (best << 2)) < threshold(norm, rounding)) return;
    evaluateGroup(lane, load<i32>(hits + (best << 2)), norm);
    store<i32>(hits + (best << 2), load<i32>(hits + ((left - 1) << 2)));
    store<f32>(scores + (best << 2), load<f32>(scores + ((left - 1) << 2)));
  }
}

/** Evaluates the seed of a group that scores highest. */
function evaluateLargest(lane: i32, group: i32): void {
  const begin = group * GROUP;
  scoreOne(lane, begin);
  let largest = 0;
  for (let i = 1; i < min(GROUP, plan.period - begin); i++) {
    const isLarger = load<f32>(plan.scores + (<usize>i << 2)) > load<f32>(plan.scores + (<usize>largest << 2));
    if (isLarger) largest = i;
  }
  evaluate(begin + largest);
}

/** Evaluates the seeds of a group that may win. */
function evaluateGroup(lane: i32, group: i32, norm: f64): void {
  const begin = group * GROUP;
  scoreOne(lane, begin);
  const end = min(begin + GROUP, plan.period);
  for (let position = begin; position < end; position++) {
    const score = load<f32>(plan.scores + (<usize>(position - begin) << 2));
    if (score >= threshold(norm, plan.rounding) && inReach(position)) evaluate(position);
  }
}

/** Whether a seed of a group is: most groups of a block far below the window have none. */
function isGroupInReach(group: i32): bool {
  const end = min((group + 1) * GROUP, plan.period);
  for (let position = group * GROUP; position < end; position++) if (inReach(position)) return true;
  return false;
}

