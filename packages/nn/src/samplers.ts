// Rules that turn logits into the next token, on plain arrays. Each takes and returns logits; −∞ is never sampled.
import type { Rng } from "@corenet/core";
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
  return k >= logits.length ? new Float64Array(logits) : keepFrom(logits, kthLargest(logits, k));
}

/** Drops the least likely whose probabilities, from the smallest up, sum to no more than 1 − p. Keeps at least one. */
export function keepTopP(logits: Logits, p: number): Float64Array {
  const probabilities = probabilitiesOf(logits);
  const { below, equals } = lightest(probabilities, 1 - p);
  const result = new Float64Array(logits);
  let toDrop = equals; // of those that equal the boundary, the first go
  let kept = 0;
  let last = 0; // what goes last
  for (let id = 0; id < result.length; id++) {
    const probability = probabilities[id] as number;
    if (probability > below || (probability === below && toDrop === 0)) {
      kept += 1;
      continue;
    }
    if (probability === below) {
      toDrop -= 1;
      last = id;
    }
    result[id] = Number.NEGATIVE_INFINITY;
  }
  if (kept === 0) result[last] = logits[last] as number;
  return result;
}

/** Keeps what is at least `p` times as likely as the most likely. */
export function keepMinP(logits: Logits, p: number): Float64Array {
  return keepFrom(logits, maximumOf(logits) + Math.log(p));
}

/** Drops what is less than `least`. */
function keepFrom(logits: Logits, least: number): Float64Array {
  const result = new Float64Array(logits);
  for (let id = 0; id < result.length; id++)
    if ((result[id] as number) < least) result[id] = Number.NEGATIVE_INFINITY;
  return result;
}

/** The softmax of the logits. */
export function probabilitiesOf(logits: Logits): Float64Array {
  const top = maximumOf(logits);
  const weights = new Float64Array(logits.length); // of what was dropped, 0
  let total = 0;
  for (let id = 0; id < weights.length; id++) {
    const logit = logits[id] as number;
    if (logit === Number.NEGATIVE_INFINITY) continue;
    const weight = Math.exp(logit - top);
    weights[id] = weight;
    total += weight;
  }
  for (let id = 0; id < weights.length; id++) weights[id] = (weights[id] as number) / total;
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
  const { temperature = 0, topK, topP = 1, minP = 0 } = options;
  const { allowed, top } = allowedLogits(logits, seen, options);
  if (temperature === 0) {
    const certain = new Float64Array(logits.length);
    certain[mostLikely(allowed)] = 1;
    return certain;
  }
  let kept: Float64Array = new Float64Array(allowed.length);
  for (let id = 0; id < kept.length; id++) kept[id] = ((allowed[id] as number) - top) / temperature; // from the top down, a tiny temperature overflows nothing
  if (topK !== undefined) kept = keepTopK(kept, topK);
  if (topP < 1) kept = keepTopP(kept, topP);
  if (minP > 0) kept = keepMinP(kept, minP);
  return probabilitiesOf(kept);
}

/** Draws a token; without randomness where the temperature is 0. */
export function sampleToken(
  logits: Logits,
  seen: Iterable<number>,
  rng: Rng,
  options: SamplingOptions = {},
): number {
  if ((options.temperature ?? 0) === 0) return mostLikely(allowedLogits(logits, seen, options).allowed);
  const probabilities = nextTokenProbabilities(logits, seen, options);
  let left = rng.uniform();
  let last = 0;
  for (let id = 0; id < probabilities.length; id++) {
    const p = probabilities[id] as number;
    if (p === 0) continue;
    last = id;
    left -= p;
    if (left < 0) return id;
  }
  return last; // rounding left a sliver behind the last
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
