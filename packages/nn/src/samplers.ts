// Rules that turn logits into the next token, on plain arrays. Each takes and returns logits; −∞ is never sampled.
import type { Rng } from "@corenet/core";
import { expDown } from "./exp-down.ts";
import { kthLargest, lightest } from "./select.ts";

export type Logits = Float32Array | Float64Array;

export interface SamplingOptions {
  /** Softens above 1, sharpens below. 0 takes the most likely. @default 0 */
  temperature?: number;
  /** Keep the k most likely, and what ties with the last of them. @default all */
  topK?: number;
  /** Keep the most likely that together reach this probability, in (0, 1]. @default 1 */
  topP?: number;
  /** Keep what is at least this times as likely as the most likely, in [0, 1]. @default 0 */
  minP?: number;
  /** Above 1 makes what was already said less likely. @default 1 */
  repetitionPenalty?: number;
}

/** Divides positive logits of `seen` ids by the penalty and multiplies negative ones, once for each id. */
export function penalizeRepetition(logits: Logits, seen: Iterable<number>, penalty: number): Float64Array {
  const result = new Float64Array(logits);
  for (const id of new Set(seen)) {
    const logit = result[id];
    if (logit !== undefined) result[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
  return result;
}

/** logits / temperature. */
export function applyTemperature(logits: Logits, temperature: number): Float64Array {
  const result = new Float64Array(logits.length);
  for (let id = 0; id < result.length; id++) result[id] = (logits[id] as number) / temperature;
  return result;
}

/** Keeps the k largest, and what equals the k-th. */
export function keepTopK(logits: Logits, k: number): Float64Array {
  const result = new Float64Array(logits);
  const least = k >= logits.length ? Number.NEGATIVE_INFINITY : kthLargest(logits, k);
  for (let id = 0; id < result.length; id++)
    if ((result[id] as number) < least) result[id] = Number.NEGATIVE_INFINITY;
  return result;
}

/** Drops the least likely whose probabilities, from the smallest up, sum to no more than 1 − p. Keeps at least one. */
export function keepTopP(logits: Logits, p: number): Float64Array {
  const probabilities = probabilitiesOf(logits);
  dropLightest(probabilities, 1 - p);
  return keepLikely(logits, probabilities);
}

/** Keeps what is at least `p` times as likely as the most likely. */
export function keepMinP(logits: Logits, p: number): Float64Array {
  const probabilities = probabilitiesOf(logits);
  dropBelow(probabilities, p * maximumOf(probabilities));
  return keepLikely(logits, probabilities);
}

/** Drops what has no probability. */
function keepLikely(logits: Logits, probabilities: Float64Array): Float64Array {
  const result = new Float64Array(logits);
  for (let id = 0; id < result.length; id++)
    if (probabilities[id] === 0) result[id] = Number.NEGATIVE_INFINITY;
  return result;
}

/** Makes the smallest zero, those that sum to no more than `most`; of equals the first, and never all. */
function dropLightest(probabilities: Float64Array, most: number): void {
  const { below, equals } = lightest(probabilities, most);
  let toDrop = equals;
  let last = 0; // what goes last
  let kept = 0;
  for (let i = 0; i < probabilities.length; i++) {
    const probability = probabilities[i] as number;
    if (probability > below || (probability === below && toDrop === 0)) {
      kept += 1;
      continue;
    }
    if (probability === below) {
      toDrop -= 1;
      last = i;
    }
    probabilities[i] = 0;
  }
  if (kept === 0) probabilities[last] = below;
}

/** Makes zero what is below `least`. */
function dropBelow(probabilities: Float64Array, least: number): void {
  for (let i = 0; i < probabilities.length; i++)
    if ((probabilities[i] as number) < least) probabilities[i] = 0;
}

/** The softmax of the logits. */
export function probabilitiesOf(logits: Logits): Float64Array {
  const top = maximumOf(logits);
  const weights = new Float64Array(logits.length); // of what was dropped, 0
  for (let id = 0; id < weights.length; id++) {
    const logit = logits[id] as number;
    if (logit > Number.NEGATIVE_INFINITY) weights[id] = expDown(top - logit);
  }
  return normalize(weights);
}

function sumOf(weights: Float64Array): number {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i] as number;
  return total;
}

/** Divides weights, in place, by their sum. */
function normalize(weights: Float64Array): Float64Array {
  const total = sumOf(weights);
  for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] as number) / total;
  return weights;
}

/** The position of the largest logit, the first of equals. */
export function mostLikely(logits: Logits): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if ((logits[id] as number) > (logits[best] as number)) best = id;
  return best;
}

/**
 * The rules in their order: repetition penalty, temperature, top-k, top-p, min-p, softmax.
 *
 * @returns a probability for each token
 * @throws RangeError when no token can follow, since every logit is −∞, or one is NaN or +∞
 */
export function nextTokenProbabilities(
  logits: Logits,
  seen: Iterable<number>,
  options: SamplingOptions = {},
): Float64Array {
  const { ids, weights, total } = candidates(logits, seen, options);
  const all = new Float64Array(logits.length);
  for (let i = 0; i < weights.length; i++) all[ids ? (ids[i] as number) : i] = (weights[i] as number) / total;
  return all;
}

/** The tokens that may follow, in ascending order, all where there are no ids; a probability is a weight's share of the total. */
interface Candidates {
  readonly ids?: Uint32Array | undefined;
  readonly weights: Float64Array;
  readonly total: number;
}

function candidates(logits: Logits, seen: Iterable<number>, options: SamplingOptions): Candidates {
  const { temperature = 0, topK = logits.length, topP = 1, minP = 0 } = options;
  const { allowed, top } = allowedLogits(logits, seen, options);
  if (temperature === 0)
    return { ids: Uint32Array.of(mostLikely(allowed)), weights: Float64Array.of(1), total: 1 };

  // Top-k goes first, since no temperature changes what is larger: what follows then has few tokens to look at.
  const ids = topK < allowed.length ? idsFrom(allowed, kthLargest(allowed, topK)) : undefined;
  const weights = new Float64Array(ids?.length ?? allowed.length);
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const logit = allowed[ids ? (ids[i] as number) : i] as number;
    const weight = expDown((top - logit) / temperature); // from the top down: a tiny temperature overflows nothing
    weights[i] = weight;
    total += weight;
  }
  if (topP < 1) dropLightest(weights, (1 - topP) * total);
  if (minP > 0) dropBelow(weights, minP * maximumOf(weights));
  return { ids, weights, total: topP < 1 || minP > 0 ? sumOf(weights) : total };
}

/** The ids of what is at least `least`, and more than −∞, in ascending order. */
function idsFrom(logits: Logits, least: number): Uint32Array {
  const ids = new Uint32Array(logits.length);
  let count = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit >= least && logit > Number.NEGATIVE_INFINITY) ids[count++] = id;
  }
  return ids.subarray(0, count);
}

/** Draws a token; without randomness where the temperature is 0. */
export function sampleToken(
  logits: Logits,
  seen: Iterable<number>,
  rng: Rng,
  options: SamplingOptions = {},
): number {
  const { ids, weights, total } = candidates(logits, seen, options);
  let chosen = 0;
  if ((options.temperature ?? 0) > 0) {
    let left = rng.uniform() * total;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i] as number;
      if (weight === 0) continue;
      chosen = i;
      left -= weight;
      if (left < 0) break; // else rounding left a sliver behind the last
    }
  }
  return ids ? (ids[chosen] as number) : chosen;
}

/** @throws RangeError naming the option that lies outside its range */
export function checkSamplingOptions(options: SamplingOptions): void {
  const { temperature = 0, topK = 1, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const check = (name: string, value: number, fits: boolean, range: string) => {
    if (!fits) throw new RangeError(`generate: ${name} is ${value}, expected ${range}.`);
  };
  check("temperature", temperature, temperature >= 0 && temperature < Infinity, "a number of at least 0");
  check("topK", topK, Number.isInteger(topK) && topK >= 1, "an integer of at least 1");
  check("topP", topP, topP >= 0 && topP <= 1, "a number in [0, 1]");
  check("minP", minP, minP >= 0 && minP <= 1, "a number in [0, 1]");
  check(
    "repetitionPenalty",
    repetitionPenalty,
    repetitionPenalty > 0 && repetitionPenalty < Infinity,
    "a number above 0",
  );
}

/** NaN where one is among them. */
function maximumOf(logits: Logits): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit > top) top = logit;
    else if (Number.isNaN(logit)) return logit;
  }
  return top;
}

/** The logits after the penalty, and the largest of them. */
function allowedLogits(
  logits: Logits,
  seen: Iterable<number>,
  { repetitionPenalty = 1 }: SamplingOptions,
): { allowed: Logits; top: number } {
  const allowed = repetitionPenalty === 1 ? logits : penalizeRepetition(logits, seen, repetitionPenalty);
  const top = maximumOf(allowed);
  if (Number.isFinite(top)) return { allowed, top };
  throw new RangeError(
    `sampling: the largest logit is ${top}, expected a finite number. ` +
      (top === Number.NEGATIVE_INFINITY
        ? "Every token was excluded: relax the rules."
        : "The model's weights or inputs hold NaN or infinity."),
  );
}
