// What is being searched, and where its tables lie in this module's own memory.

/** Blocks searched at a time: the lanes of four vectors. */
// @ts-ignore: decorator
@inline
export const LANES: i32 = 16;
/** Bytes of one row of lanes, f32. */
// @ts-ignore: decorator
@inline
export const ROW: usize = 64;
/** Bytes of one row of lanes, i16. */
// @ts-ignore: decorator
@inline
export const ROW16: usize = 32;
/** Seeds that share one maximum of what is scored. */
// @ts-ignore: decorator
@inline
export const GROUP: i32 = 16;
/** Steps back from which a running correlation is started: what came before weighs 2^-32. */
// @ts-ignore: decorator
@inline
export const WARM: i32 = 32;
/** Groups of seeds that are noted for one block; where there are more, all are looked at. */
// @ts-ignore: decorator
@inline
export const MAX_HITS: i32 = 256;
/** Extra seeds with scores of their own; the others are always evaluated. */
// @ts-ignore: decorator
@inline
export const MAX_EXTRAS: i32 = 1024;
/** Steps whose sums own-importance.ts makes at once: they stay in the first cache. */
// @ts-ignore: decorator
@inline
export const OWN_CHUNK: i32 = 256;
/** Bits of a sign pattern that one table is indexed by. */
// @ts-ignore: decorator
@inline
const TABLE_BITS: i32 = 8;

@unmanaged
export class Plan {
  C: i32;
  P: i32;
  K: i32;
  taps: i32;
  /** d: a basis takes every d-th state. */
  decimation: i32;
  /** Seeds 1..nSeeds are searched. */
  nSeeds: i32;
  /** 0 paper-literal, 1 fit, 2 best. */
  rule: i32;
  /** 2^K - 1, the length of the cycle. */
  period: i32;
  /** P (P + 1) / 2. */
  factorSize: i32;
  /** Sign patterns of C bits are looked up in so many tables. */
  tables: i32;
  /** Bits of a pattern that each table takes; the last may take fewer. */
  tableBits: i32;
  /** Steps scored at a time, a multiple of GROUP. */
  chunk: i32;
  /** Seeds whose scores say too little for the others' slack. */
  extraCount: i32;
  /** Importance of the scored bases: 0 none, 1 what is in `importance`, -1 before there are bases. */
  isWeighted: i32;
  capacity: i32;
  /** Where seeds are scored in 16 bits, the shift of fixed-point.ts; else 0. */
  shift: i32;
  /** 2^(K-1) - 1. */
  half: f64;
  /** How far the scored basis is from the exact one, as the sine of an angle: see library.ts. */
  tilt: f64;
  /** Bound on the rounding of a score, as a part of the norm. */
  rounding: f64;
  /** The same of a score in 16 bits. */
  rounding16: f64;

  /** u32 [period]: the cycle from state 1. */
  states: usize;
  /** u16 [period + halo, tables]: where in its table the pattern of a step lies, in bytes. */
  patterns: usize;
  /** f64 [period]: the scored basis' entries. Only while the library is built. */
  entries: usize;
  /** f32 [period rounded up, factorSize]: inverse Cholesky factors of the scored bases. */
  coefficients: usize;
  /** f32 [period]: slack of each seed, -1 where it is not searched. Only while the library is built. */
  tilts: usize;
  /** f32 [period]: error of each seed's score in 16 bits. Only while the library is built. */
  errors: usize;
  /** u32 [period]: positions of the extra seeds. */
  extras: usize;
  /** For the first MAX_EXTRAS of them: f32 [factorSize] coefficients, f32 slack, f32 [LANES] scores of a batch. */
  extraCoefficients: usize;
  extraSlacks: usize;
  extraScores: usize;
  /** The least of `shortest`. */
  least: f64;
  /** f32 [period]: no sum of a seed's basis vectors with integer coefficients, not all 0, is shorter; in units of S. */
  shortest: usize;
  /** f64 [C]: the importance that the scored bases are made for. */
  importance: usize;

  /** f64 [LANES]: sum h w^2. */
  norms: usize;
  /** f32 [tables, 2^tableBits, LANES]. */
  tableRows: usize;
  /** f32 [chunk + halo, LANES]: what a step's pattern gives, and the running correlation. */
  signs: usize;
  sums: usize;
  /** f32 [period / GROUP, LANES]. */
  maxima: usize;
  /** i16, the same as coefficients (without the first, which is 1) and tableRows: see score16.ts. */
  coefficients16: usize;
  tableRows16: usize;
  /** i32 [LANES]: the group that has the largest. */
  largestGroups: usize;
  /** f32 [LANES]: the score from which on a seed may win. */
  thresholds: usize;
  thresholds16: usize;
  /** i32 [LANES] how many groups reach it, i32 [LANES, MAX_HITS] which. */
  hitCounts: usize;
  hits: usize;
  /** f32 [LANES, MAX_HITS]: the largest score of each. */
  hitScores: usize;
  /** The best code so far of each block, [capacity] times what evaluate.ts keeps. */
  found: usize;
  /** f32: the same as signs, sums and scores, for one lane and one group. */
  laneSigns: usize;
  laneSums: usize;
  scores: usize;
  /** f64 [capacity, C], f32 [capacity, C], and the codes: see index.ts. */
  given: usize;
  blocks: usize;
  codes: usize;
  /** u32 [P]: addresses of the features of a group, where they are many. */
  featureRows: usize;

  /** Scratch of one basis: i32 [C, P], f64 factor, y, t. */
  basis: usize;
  factor: usize;
  /** f64: S along the decimated cycle; f64 [C] w h; f64 [OWN_CHUNK + P] and [P, OWN_CHUNK + P + 2]: see own-importance.ts. */
  ring: usize;
  weighted: usize;
  ownDots: usize;
  ownGrams: usize;
  /** f64 [P, C]: the features of one basis. */
  features: usize;
  y: usize;
  t: usize;
  /** i32 [P] each: rounded coefficients, those tried, lowest and highest tried, the best. */
  rounded: usize;
  q: usize;
  bestQ: usize;
  /** f64 [P] each: unrounded coefficients over 2^e, error of the coefficients above. */
  scaled: usize;
  partial: usize;
  /** What comes behind all of this: see `inbox`. */
  end: usize;
}

/** Its place: behind the address 0, in front of all tables. */
// @ts-ignore: decorator
@inline
export const plan: Plan = changetype<Plan>(64);
// @ts-ignore: decorator
@inline
const TABLES_BEGIN: usize = 1024;

function reserve(at: usize, bytes: usize): usize {
  return (at + bytes + 63) & ~63;
}

/** Steps that a basis reaches beyond its seed, for the features of one step. */
export function halo(): i32 {
  return plan.decimation * plan.P;
}

/** `period` rounded up to whole groups. */
export function paddedPeriod(): i32 {
  return (plan.period + GROUP - 1) & ~(GROUP - 1);
}

/** Bytes of the code of one block. */
// @ts-ignore: decorator
@inline
export function codeBytes(): usize {
  return (16 + <usize>plan.P + 7) & ~7;
}

/**
 * Places everything for a configuration and up to `capacity` blocks at a time, and makes room. Returns 2 where all that is as
 * it was, 0 where there is no room.
 */
export function place(
  C: i32, P: i32, K: i32, taps: i32, decimation: i32, nSeeds: i32, rule: i32, capacity: i32,
): i32 {
  const isSame =
    plan.C == C && plan.P == P && plan.K == K && plan.taps == taps && plan.decimation == decimation &&
    plan.nSeeds == nSeeds && plan.rule == rule && plan.capacity == capacity;
  if (isSame) return 2;
  plan.C = C;
  plan.P = P;
  plan.K = K;
  plan.taps = taps;
  plan.decimation = decimation;
  plan.nSeeds = nSeeds;
  plan.rule = rule;
  plan.period = (1 << K) - 1;
  plan.half = <f64>((1 << (K - 1)) - 1);
  plan.factorSize = (P * (P + 1)) / 2;
  plan.tables = (C + TABLE_BITS - 1) / TABLE_BITS;
  plan.tableBits = (C + plan.tables - 1) / plan.tables;
  plan.chunk = max(64, (halo() + GROUP - 1) & ~(GROUP - 1));
  plan.isWeighted = -1;
  plan.capacity = capacity;

  const period = <usize>plan.period;
  const steps = <usize>(plan.chunk + halo() + WARM + GROUP);
  let at = TABLES_BEGIN;
  at = reserve((plan.states = at), period * 4);
  at = reserve((plan.patterns = at), (<usize>paddedPeriod() + <usize>halo() + <usize>plan.chunk) * <usize>plan.tables * 2);
  at = reserve((plan.entries = at), period * 8);
  at = reserve((plan.coefficients = at), <usize>paddedPeriod() * <usize>plan.factorSize * 4);
  at = reserve((plan.tilts = at), period * 4);
  at = reserve((plan.errors = at), period * 4);
  at = reserve((plan.extras = at), period * 4);
  at = reserve((plan.extraCoefficients = at), <usize>(MAX_EXTRAS * plan.factorSize) * 4);
  at = reserve((plan.extraSlacks = at), <usize>MAX_EXTRAS * 4);
  at = reserve((plan.extraScores = at), <usize>MAX_EXTRAS * ROW);
  at = reserve((plan.shortest = at), period * 4);
  at = reserve((plan.importance = at), <usize>C * 8);
  at = reserve((plan.norms = at), <usize>LANES * 8);
  at = reserve((plan.tableRows = at), (<usize>plan.tables << plan.tableBits) * ROW);
  at = reserve((plan.signs = at), steps * ROW);
  at = reserve((plan.sums = at), steps * ROW);
  at = reserve((plan.maxima = at), <usize>(paddedPeriod() / GROUP) * ROW);
  at = reserve((plan.coefficients16 = at), <usize>paddedPeriod() * <usize>plan.factorSize * 2);
  at = reserve((plan.tableRows16 = at), (<usize>plan.tables << plan.tableBits) * ROW16);
  at = reserve((plan.largestGroups = at), ROW);
  at = reserve((plan.thresholds = at), ROW);
  at = reserve((plan.thresholds16 = at), ROW16);
  at = reserve((plan.hitCounts = at), ROW);
  at = reserve((plan.hits = at), <usize>MAX_HITS * ROW);
  at = reserve((plan.hitScores = at), <usize>MAX_HITS * ROW);
  at = reserve((plan.laneSigns = at), steps * 4);
  at = reserve((plan.laneSums = at), steps * 4);
  at = reserve((plan.scores = at), <usize>GROUP * 4);
  at = reserve((plan.featureRows = at), <usize>P * 4);
  at = reserve((plan.basis = at), <usize>(C * P) * 4);
  at = reserve((plan.factor = at), <usize>plan.factorSize * 8);
  at = reserve((plan.ring = at), (period + <usize>(C * P + OWN_CHUNK + 2 * P + 2)) * 8);
  at = reserve((plan.weighted = at), <usize>C * 8);
  at = reserve((plan.ownDots = at), <usize>(OWN_CHUNK + P + 2) * 8);
  at = reserve((plan.ownGrams = at), <usize>P * <usize>(OWN_CHUNK + P + 2) * 8);
  at = reserve((plan.features = at), <usize>(C * P) * 8);
  at = reserve((plan.y = at), <usize>P * 8);
  at = reserve((plan.t = at), <usize>P * 8);
  at = reserve((plan.rounded = at), <usize>P * 4);
  at = reserve((plan.q = at), <usize>P * 4);
  at = reserve((plan.bestQ = at), <usize>P * 4);
  at = reserve((plan.scaled = at), <usize>P * 8);
  at = reserve((plan.partial = at), <usize>(P + 1) * 8);
  const blocks = <usize>((capacity + LANES - 1) & ~(LANES - 1));
  at = reserve((plan.given = at), blocks * <usize>C * 8);
  at = reserve((plan.blocks = at), blocks * <usize>C * 4);
  at = reserve((plan.codes = at), blocks * codeBytes());
  at = reserve((plan.found = at), blocks * (32 + <usize>P * 4));
  plan.end = at;
  const pages = <i32>((at + 65535) >>> 16) - memory.size();
  if (pages <= 0 || memory.grow(pages) >= 0) return 1;
  plan.C = 0;
  return 0;
}
