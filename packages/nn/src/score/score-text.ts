import type { Tokenizer } from "@corenet/formats";
import type { CausalLm } from "../causal-lm.ts";
import { type Perplexity, type PerplexityOptions, perplexity } from "./perplexity.ts";

export interface TextScore extends Perplexity {
  /** −Σ log p / (bytes of UTF-8 · ln 2): what a compressor by this model needs. Comparable between tokenizers. */
  readonly bitsPerByte: number;
  /** exp(−Σ log p / words), words as split at white space. */
  readonly wordPerplexity: number;
}

/**
 * Perplexity of a text by tokens, words and bytes; bos stands in front where the tokenizer has one.
 *
 * @throws RangeError when the text is empty, or as `perplexity`
 */
export async function scoreText(
  model: CausalLm,
  tokenizer: Tokenizer,
  text: string,
  options: Omit<PerplexityOptions, "bosId"> = {},
): Promise<TextScore> {
  const ids = [...tokenizer.encode(text)];
  const { bosId } = tokenizer;
  const scores = await perplexity(model, ids, { ...options, ...(bosId === undefined ? {} : { bosId }) });
  const bytes = new TextEncoder().encode(text).length;
  const words = text.split(/\s+/).filter((word) => word !== "").length;
  return {
    ...scores,
    bitsPerByte: scores.nats / (bytes * Math.LN2),
    wordPerplexity: Math.exp(scores.nats / Math.max(1, words)),
  };
}
