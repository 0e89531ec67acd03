// The seed search of SeedLM for many blocks, in a memory of its own. All seeds are scored in float32 on a basis that is
// nearly the exact one (library.ts); what could then still win is evaluated in float64 (evaluate.ts), so that the codes
// are those of the normative encoder, bit for bit.

import { beginBlock, currentError, endBlock, evaluate, normOfBlock } from "./evaluate";
import { buildCoefficients, buildCycle } from "./library";
import { codeBytes, GROUP, LANES, paddedPeriod, place, plan, ROW } from "./plan";
import { buildTables, scoreAll, scoreOne } from "./score";

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
  if (placed == 1) buildCycle();
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
export { scoreAll } from "./score";

/** What the search of this library knows of itself: its tilt, its rounding, its extra seeds. */
export function tilt(): f64 {
  return plan.tilt;
}
export function rounding(): f64 {
  return plan.rounding;
}
export function extraSeeds(): i32 {
  return plan.extraCount;
}

/**
 * The best codes of the first `count` blocks. The code of each, 8-byte aligned: seed u32, exponent code u32, error f64,
 * coefficients i8 [P], then nothing up to the next multiple of 8.
 *
 * @param importance - 0 none, 1 the same [C] for all blocks, 2 for each its own [count, C]
 */
export function encode(count: i32, expBias: i32, importance: i32): void {
  const blockBytes = <usize>plan.C << 2;
  const lanesAtOnce = importance == 2 ? 1 : LANES;
  for (let begin = 0; begin < count; begin += lanesAtOnce) {
    if (importance == 0) weighEqually();
    else weigh(plan.given + (importance == 2 ? 2 * <usize>begin * blockBytes : 0));
    const lanes = min(lanesAtOnce, count - begin);
    encodeLanes(plan.blocks + <usize>begin * blockBytes, lanes, expBias, plan.codes + <usize>begin * codeBytes());
  }
}

function weighEqually(): void {
  if (plan.isWeighted == 0) return;
  plan.isWeighted = 0;
  buildCoefficients();
}

/** Makes the scored bases for an importance f64 [C], unless they are. */
function weigh(importance: usize): void {
  const bytes = <usize>plan.C << 3;
  if (plan.isWeighted == 1 && memory.compare(importance, plan.importance, bytes) == 0) return;
  memory.copy(plan.importance, importance, bytes);
  plan.isWeighted = 1;
  buildCoefficients();
}

function encodeLanes(blocks: usize, lanes: i32, expBias: i32, codes: usize): void {
  const blockBytes = <usize>plan.C << 2;
  for (let lane = 0; lane < LANES; lane++) {
    const norm = lane < lanes ? normOfBlock(blocks + <usize>lane * blockBytes) : 0;
    store<f64>(plan.norms + (<usize>lane << 3), norm);
  }
  buildTables(blocks);
  scoreAll();
  findLargest();
  for (let lane = 0; lane < lanes; lane++) {
    const block = blocks + <usize>lane * blockBytes;
    const norm = load<f64>(plan.norms + (<usize>lane << 3));
    beginBlock(block, norm, expBias);
    if (norm > 0) searchLane(lane, norm);
    endBlock(codes + <usize>lane * codeBytes());
  }
}

/** The largest score of each lane, into plan.largest. */
function findLargest(): void {
  let m0 = f32x4.splat(0), m1 = f32x4.splat(0), m2 = f32x4.splat(0), m3 = f32x4.splat(0);
  const end = plan.maxima + <usize>(paddedPeriod() / GROUP) * ROW;
  for (let at = plan.maxima; at < end; at += ROW) {
    m0 = f32x4.pmax(m0, v128.load(at));
    m1 = f32x4.pmax(m1, v128.load(at, 16));
    m2 = f32x4.pmax(m2, v128.load(at, 32));
    m3 = f32x4.pmax(m3, v128.load(at, 48));
  }
  v128.store(plan.largest, m0);
  v128.store(plan.largest, m1, 16);
  v128.store(plan.largest, m2, 32);
  v128.store(plan.largest, m3, 48);
}

/** The score from which on a seed may win against the best error so far. */
// @ts-ignore: decorator
@inline
function threshold(norm: f64): f32 {
  const reach = sqrt(currentError() / norm) + plan.tilt;
  return <f32>(1 - reach * reach - plan.rounding);
}

function searchLane(lane: i32, norm: f64): void {
  const groups = paddedPeriod() / GROUP;
  const maxima = plan.maxima + (<usize>lane << 2);
  // The best seed before quantisation gives a bound that leaves few others.
  const largest = load<f32>(plan.largest + (<usize>lane << 2));
  for (let group = 0; group < groups; group++) {
    if (load<f32>(maxima + <usize>group * ROW) == largest) evaluateGroup(lane, group, largest * <f32>0.99999);
  }
  for (let i = 0; i < plan.extraCount; i++) evaluate(load<i32>(plan.extras + (<usize>i << 2)));
  let least = threshold(norm);
  for (let group = 0; group < groups; group++) {
    if (load<f32>(maxima + <usize>group * ROW) < least) continue;
    evaluateGroup(lane, group, least);
    least = threshold(norm);
  }
}

/** Evaluates the seeds of a group that score at least `least`. */
function evaluateGroup(lane: i32, group: i32, least: f32): void {
  const begin = group * GROUP;
  scoreOne(lane, begin);
  const end = min(begin + GROUP, plan.period);
  for (let position = begin; position < end; position++) {
    if (load<f32>(plan.scores + (<usize>(position - begin) << 2)) >= least) evaluate(position);
  }
}
