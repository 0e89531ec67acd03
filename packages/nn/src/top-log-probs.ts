import type { Logits } from "./samplers.ts";

export interface TokenLogProb {
  readonly id: number;
  /** Natural logarithm of its probability. */
  readonly logProb: number;
}

/**
 * Log-probabilities of the `count` most likely tokens, the most likely first, and of `id` itself.
 *
 * @param logits - of one place, such as `generateTokens` gives
 * @throws RangeError when `id` or `count` is out of range
 */
export function topLogProbs(
  logits: Logits,
  id: number,
  count: number,
): { logProb: number; alternatives: TokenLogProb[] } {
  const V = logits.length;
  if (!(Number.isInteger(id) && id >= 0 && id < V && Number.isInteger(count) && count >= 0 && count <= V)) {
    throw new RangeError(
      `topLogProbs: id is ${id} and count ${count}, expected an integer in [0, ${V}) and one in [0, ${V}].`,
    );
  }
  let top = Number.NEGATIVE_INFINITY;
  for (let other = 0; other < V; other++) top = Math.max(top, logits[other] as number);
  let total = 0;
  for (let other = 0; other < V; other++) total += Math.exp((logits[other] as number) - top);
  const normalizer = top + Math.log(total);

  const best: TokenLogProb[] = [];
  let least = Number.NEGATIVE_INFINITY; // a logit must be above it, once there are as many as wanted
  for (let other = 0; other < V && count > 0; other++) {
    const logit = logits[other] as number;
    if (best.length === count && logit <= least) continue;
    const logProb = logit - normalizer;
    const at = best.findIndex((entry) => logProb > entry.logProb);
    best.splice(at < 0 ? best.length : at, 0, { id: other, logProb });
    if (best.length > count) best.pop();
    least = logits[(best.at(-1) as TokenLogProb).id] as number;
  }
  return { logProb: (logits[id] as number) - normalizer, alternatives: best };
}
