import { throwIfAborted } from "@corenet/core";
import type { CausalLm } from "../causal-lm.ts";
import { type TokenScores, tokenLogProbs } from "./token-log-probs.ts";

/** How likely a continuation is after its context. */
export interface LogLikelihood extends TokenScores {
  /** Σ log p over the continuation, in nats. */
  readonly sum: number;
  /** Whether greedy decoding gives exactly this continuation. */
  readonly isGreedy: boolean;
}

/**
 * Log-likelihoods of several continuations of one context. The context is read once for all of them.
 *
 * Of context and continuation together the last `model.contextLength + 1` tokens count; a continuation that does not
 * fit beside the whole context is scored by itself after as much of the context as fits.
 *
 * @param context - at least one token: begin with the model's bos
 * @param continuations - at least one token each
 * @throws RangeError when context or a continuation is empty, or a continuation alone exceeds the model's context
 * @see Gao et al., EleutherAI lm-evaluation-harness, `loglikelihood`
 */
export async function logLikelihoods(
  model: CausalLm,
  context: readonly number[],
  continuations: readonly (readonly number[])[],
  options: { signal?: AbortSignal } = {},
): Promise<LogLikelihood[]> {
  const { signal } = options;
  throwIfAborted(signal);
  const L = model.contextLength;
  if (context.length === 0) {
    throw new RangeError(
      "logLikelihoods: the context is empty, expected a token. Begin with the model's bos.",
    );
  }
  continuations.forEach((ids, i) => {
    if (ids.length > 0 && ids.length <= L) return;
    throw new RangeError(
      `logLikelihoods: continuation ${i} has ${ids.length} tokens, expected 1 to ${L}. Leave it out or shorten it.`,
    );
  });
  const fitting = continuations.filter((ids) => context.length + ids.length - 1 <= L);
  const longest = Math.max(0, ...fitting.map((ids) => ids.length));
  const results = new Map<readonly number[], LogLikelihood>();

  if (fitting.length > 0) {
    const cache = model.createCache({ batch: 1, capacity: context.length + longest - 1 });
    try {
      const shared = context.length - 1; // the last token of the context is fed with each continuation
      await tokenLogProbs(model, cache, context.slice(0, shared), [], { signal });
      for (const ids of fitting) {
        cache.truncate(shared);
        const inputs = [context.at(-1) as number, ...ids.slice(0, -1)];
        results.set(ids, summed(await tokenLogProbs(model, cache, inputs, ids, { signal })));
      }
    } finally {
      cache.dispose();
    }
  }
  for (const ids of continuations) {
    if (results.has(ids)) continue;
    const inputs = [...context, ...ids].slice(-L - 1, -1);
    const cache = model.createCache({ batch: 1, capacity: inputs.length });
    try {
      results.set(ids, summed(await tokenLogProbs(model, cache, inputs, ids, { signal })));
    } finally {
      cache.dispose();
    }
  }
  return continuations.map((ids) => results.get(ids) as LogLikelihood);
}

function summed(scores: TokenScores): LogLikelihood {
  const sum = scores.logProbs.reduce((total, logProb) => total + logProb, 0);
  return { ...scores, sum, isGreedy: scores.greedy.every(Boolean) };
}
