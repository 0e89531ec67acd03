// Rules that turn logits into the next token, on plain arrays. Each takes and returns logits; −∞ is never sampled.
import type { Rng } from "@corenet/core";

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
  const result = Float64Array.from(logits);
  for (const id of new Set(seen)) {
    const logit = result[id];
    if (logit !== undefined) result[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
  return result;
}

/** logits / temperature. */
export function applyTemperature(logits: Logits, temperature: number): Float64Array {
  return Float64Array.from(logits, (logit) => logit / temperature);
}

/** Keeps the k largest, and what equals the k-th. */
export function keepTopK(logits: Logits, k: number): Float64Array {
  if (k >= logits.length) return Float64Array.from(logits);
  const least = Float64Array.from(logits).sort()[logits.length - k] as number;
  return Float64Array.from(logits, (logit) => (logit < least ? Number.NEGATIVE_INFINITY : logit));
}

/** Drops the least likely whose probabilities, from the smallest up, sum to no more than 1 − p. Keeps at least one. */
export function keepTopP(logits: Logits, p: number): Float64Array {
  const probabilities = probabilitiesOf(logits);
  const ascending = Array.from(logits.keys()).sort((a, b) => (logits[a] as number) - (logits[b] as number));
  const result = Float64Array.from(logits);
  let cumulative = 0;
  for (const id of ascending.slice(0, -1)) {
    cumulative += probabilities[id] as number;
    if (cumulative > 1 - p) break;
    result[id] = Number.NEGATIVE_INFINITY;
  }
  return result;
}

/** Keeps what is at least `p` times as likely as the most likely. */
export function keepMinP(logits: Logits, p: number): Float64Array {
  const least = maximumOf(logits) + Math.log(p);
  return Float64Array.from(logits, (logit) => (logit < least ? Number.NEGATIVE_INFINITY : logit));
}

/** The softmax of the logits. */
export function probabilitiesOf(logits: Logits): Float64Array {
  const top = maximumOf(logits);
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
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
  const { temperature = 0, topK, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  let kept: Logits = repetitionPenalty === 1 ? logits : penalizeRepetition(logits, seen, repetitionPenalty);
  const top = checkLogits(kept);
  if (temperature === 0) {
    const certain = new Float64Array(logits.length);
    certain[mostLikely(kept)] = 1;
    return certain;
  }
  kept = Float64Array.from(kept, (logit) => logit - top); // changes no probability, and a tiny temperature overflows nothing
  kept = applyTemperature(kept, temperature);
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
  const probabilities = nextTokenProbabilities(logits, seen, options);
  if ((options.temperature ?? 0) === 0) return mostLikely(probabilities);
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

function maximumOf(logits: Logits): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const logit of logits) top = Math.max(top, logit);
  return top;
}

/** The largest logit. */
function checkLogits(logits: Logits): number {
  const top = maximumOf(logits);
  if (Number.isFinite(top)) return top;
  throw new RangeError(
    `sampling: the largest logit is ${top}, expected a finite number. ` +
      (top === Number.NEGATIVE_INFINITY
        ? "Every token was excluded: relax the rules."
        : "The model's weights or inputs hold NaN or infinity."),
  );
}
