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
  for (const logit of logits) top = Math.max(top, logit);
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - top);
  const normalizer = top + Math.log(total);

  const best: TokenLogProb[] = [];
  logits.forEach((logit, other) => {
    const logProb = logit - normalizer;
    if (best.length === count && !(count > 0 && logProb > (best.at(-1) as TokenLogProb).logProb)) return;
    const at = best.findIndex((entry) => logProb > entry.logProb);
    best.splice(at < 0 ? best.length : at, 0, { id: other, logProb });
    if (best.length > count) best.pop();
  });
  return { logProb: (logits[id] as number) - normalizer, alternatives: best };
}
