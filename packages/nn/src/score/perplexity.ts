import { createProgress, type OnProgress, throwIfAborted, yieldToEventLoop } from "@corenet/core";
import type { CausalLm } from "../causal-lm.ts";
import { tokenLogProbs } from "./token-log-probs.ts";

export interface PerplexityOptions {
  /** The token in front of the first; without it the first token is not scored. */
  bosId?: number;
  /** Tokens that the model sees at once, at most its own context. @default model.contextLength */
  contextLength?: number;
  /**
   * Tokens that are scored a window, in [1, contextLength]: less than the window gives each more context, and costs
   * more. @default contextLength, no overlap
   */
  stride?: number;
  signal?: AbortSignal;
  /** Phase "score", in tokens. */
  onProgress?: OnProgress;
}

/** How well a model predicts a text. */
export interface Perplexity {
  /** Tokens that were scored. */
  readonly tokens: number;
  /** −Σ log p, in nats. */
  readonly nats: number;
  /** exp(nats / tokens) */
  readonly perplexity: number;
}

/** The sum of −log p over the tokens that window `[from, to)` scores, fed from `start`. */
interface Window {
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Perplexity of a text: windows of `contextLength` tokens, of which each scores its last `stride`.
 *
 * @param ids - the text, without bos
 * @throws RangeError when there is nothing to score, or an option is out of range
 * @see Gao et al., EleutherAI lm-evaluation-harness, `loglikelihood_rolling`
 */
export async function perplexity(
  model: CausalLm,
  ids: readonly number[],
  options: PerplexityOptions = {},
): Promise<Perplexity> {
  const { bosId, contextLength = model.contextLength, signal, onProgress } = options;
  const { stride = contextLength } = options;
  const check = (name: string, value: number, most: number) => {
    if (Number.isInteger(value) && value >= 1 && value <= most) return;
    throw new RangeError(`perplexity: ${name} is ${value}, expected an integer in [1, ${most}].`);
  };
  check("contextLength", contextLength, model.contextLength);
  check("stride", stride, contextLength);
  const sequence = bosId === undefined ? ids : [bosId, ...ids];
  const count = sequence.length - 1;
  if (count < 1) {
    throw new RangeError(
      `perplexity: got ${ids.length} tokens${bosId === undefined ? " and no bosId" : ""}, expected one to score. ` +
        "Pass a longer text.",
    );
  }
  throwIfAborted(signal);
  const progress = createProgress({ phase: "score", unit: "tokens", total: count, onProgress });
  const cache = model.createCache({ batch: 1, capacity: Math.min(contextLength, count) });
  let nats = 0;
  try {
    for (const { start, from, to } of windows(count, contextLength, stride)) {
      cache.truncate(0);
      const inputs = sequence.slice(start, to);
      const targets = sequence.slice(from + 1, to + 1);
      const { logProbs } = await tokenLogProbs(model, cache, inputs, targets, { signal });
      for (const logProb of logProbs) nats -= logProb;
      progress.advance(to - from);
      await yieldToEventLoop();
    }
  } finally {
    cache.dispose();
  }
  progress.finish();
  return { tokens: count, nats, perplexity: Math.exp(nats / count) };
}

/** Which places predict what: every target once, after as much context as a window holds. */
export function windows(count: number, contextLength: number, stride: number): Window[] {
  const result: Window[] = [];
  for (let from = 0; from < count; ) {
    const to = Math.min(count, from === 0 ? contextLength : from + stride);
    result.push({ start: Math.max(0, to - contextLength), from, to });
    from = to;
  }
  return result;
}
