import { type OnProgress, Rng, throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { type Tensor2D, takeData, tensor } from "@corenet/tensor";
import type { CausalLm } from "./causal-lm.ts";
import type { KvCache } from "./kv-cache.ts";
import { checkSamplingOptions, type SamplingOptions, sampleToken } from "./samplers.ts";

export interface GenerateOptions extends SamplingOptions {
  /** How many tokens to add at most. @default as many as the context holds */
  maxNewTokens?: number;
  /** Tokens that end the text; they are not yielded. */
  stop?: readonly number[];
  /** Where chance comes from. @default new Rng(0) */
  rng?: Rng;
  /** What the model has seen already; the new tokens are added to it, and the caller keeps it. */
  cache?: KvCache;
  /** Prompt tokens that are read at a time. @default 512 */
  prefillChunk?: number;
  signal?: AbortSignal;
  /** Reports the reading of the prompt, in tokens. */
  onProgress?: OnProgress;
}

const breathMs = 8;

/**
 * Continues a prompt, token by token. Leaving the loop early frees everything.
 *
 * @param prompt - token ids, at least one
 * @throws RangeError when the prompt is empty, holds a token outside the vocabulary, or does not fit the context
 * @throws the signal's reason when it is aborted
 * @example for await (const id of generate(model, ids, { maxNewTokens: 20, temperature: 0.8 })) …
 */
export async function* generate(
  model: CausalLm,
  prompt: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<number, void, undefined> {
  const { signal, stop = [], rng = new Rng(0), prefillChunk = 512, onProgress } = options;
  checkSamplingOptions(options);
  throwIfAborted(signal);
  const held = options.cache?.length ?? 0;
  const maxNewTokens = planLength(model, prompt, held, options);
  const cache =
    options.cache ?? model.createCache({ batch: 1, capacity: held + prompt.length + maxNewTokens });
  const seen = [...prompt];
  let pending: readonly number[] = prompt;
  let lastBreath = performance.now();
  try {
    for (let made = 0; made < maxNewTokens; made++) {
      let logits: Float32Array = new Float32Array(0);
      for (let from = 0; from < pending.length; from += prefillChunk) {
        if (performance.now() - lastBreath > breathMs) {
          await yieldToEventLoop(); // or nobody could abort, nor anything else run
          lastBreath = performance.now();
        }
        throwIfAborted(signal);
        logits = await nextLogits(model, pending.slice(from, from + prefillChunk), cache);
        if (made === 0) {
          const done = Math.min(from + prefillChunk, prompt.length);
          onProgress?.({ phase: "prefill", done, total: prompt.length, unit: "token" });
        }
      }
      const id = sampleToken(logits, seen, rng, options);
      if (stop.includes(id)) return;
      yield id;
      throwIfAborted(signal);
      seen.push(id);
      pending = [id];
    }
  } finally {
    if (!options.cache) cache.dispose();
  }
}

async function nextLogits(model: CausalLm, ids: readonly number[], cache: KvCache): Promise<Float32Array> {
  const tokens: Tensor2D = tensor(ids, [1, ids.length], "int32");
  try {
    return await takeData(model.forward(tokens, { cache, logits: "last" }));
  } finally {
    tokens.dispose();
  }
}

function planLength(
  model: CausalLm,
  prompt: readonly number[],
  held: number,
  options: GenerateOptions,
): number {
  const { prefillChunk = 512, cache } = options;
  const room = Math.min(model.contextLength, cache?.capacity ?? Infinity) - held - prompt.length;
  const wanted = options.maxNewTokens ?? Math.max(room, 0);
  if (prompt.length === 0) {
    throw new RangeError(
      "generate: the prompt is empty, expected at least one token. Start with the model's bos token.",
    );
  }
  prompt.forEach((id, i) => {
    if (Number.isInteger(id) && id >= 0 && id < model.vocabSize) return;
    throw new RangeError(
      `generate: prompt[${i}] is ${id}, expected an integer in [0, ${model.vocabSize}). Is this the model's tokenizer?`,
    );
  });
  if (!(Number.isInteger(prefillChunk) && prefillChunk >= 1)) {
    throw new RangeError(`generate: prefillChunk is ${prefillChunk}, expected an integer of at least 1.`);
  }
  if (!(Number.isInteger(wanted) && wanted >= 0)) {
    throw new RangeError(`generate: maxNewTokens is ${wanted}, expected a non-negative integer.`);
  }
  if (wanted > room) {
    throw new RangeError(
      `generate: ${held + prompt.length} tokens and ${wanted} new ones, expected at most ${model.contextLength} in all` +
        `${cache ? ` and ${cache.capacity} in the cache` : ""}. Shorten the prompt` +
        `${room < 0 ? "" : `, or lower maxNewTokens to ${room}`}.`,
    );
  }
  return wanted;
}
