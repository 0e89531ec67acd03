import { Rng, throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { takeData, tensor } from "@corenet/tensor";
import type { CausalLm } from "./causal-lm.ts";
import { checkSamplingOptions, type SamplingOptions, sampleToken } from "./samplers.ts";

export interface GenerateBatchOptions extends SamplingOptions {
  /** How many tokens to add to each prompt at most. @default as many as the context holds after the longest prompt */
  maxNewTokens?: number;
  /** Tokens that end a text; they are not yielded. */
  stop?: readonly number[];
  /** Each row draws from a stream of its own, `rng.split(row)`. @default new Rng(0) */
  rng?: Rng;
  signal?: AbortSignal;
}

/**
 * Continues several prompts of any lengths at once, a token for each a step: one pass for all rows. Rows that have
 * ended stay undefined. Each row gets what it would get alone, to rounding.
 *
 * @param prompts - token ids, at least one a row
 * @returns for each step the new id of every row
 * @throws RangeError when there is no prompt, one is empty, or a token is outside the vocabulary or the context
 * @throws the signal's reason when it is aborted
 * @example for await (const ids of generateBatch(model, [[1, 5], [1, 7, 9]], { maxNewTokens: 20 })) …
 */
export async function* generateBatch(
  model: CausalLm,
  prompts: readonly (readonly number[])[],
  options: GenerateBatchOptions = {},
): AsyncGenerator<(number | undefined)[], void, undefined> {
  const { stop = [], rng = new Rng(0), signal } = options;
  checkSamplingOptions(options);
  throwIfAborted(signal);
  const longest = checkPrompts(model, prompts);
  const room = model.contextLength - longest;
  const { maxNewTokens = Math.max(0, room) } = options;
  if (!(Number.isInteger(maxNewTokens) && maxNewTokens >= 0 && maxNewTokens <= room)) {
    throw new RangeError(
      `generateBatch: the longest prompt has ${longest} tokens and maxNewTokens is ${maxNewTokens}, expected at most ` +
        `${model.contextLength} in all. Shorten the prompts or lower maxNewTokens.`,
    );
  }
  if (maxNewTokens === 0) return;
  const B = prompts.length;
  const V = model.vocabSize;
  const seen = prompts.map((prompt) => [...prompt]);
  const rngs = prompts.map((_, row) => rng.split(row));
  const ended = prompts.map(() => false);
  const cache = model.createCache({ batch: B, capacity: longest + maxNewTokens });
  try {
    let input = prompts.map((prompt) => [...new Array<number>(longest - prompt.length).fill(0), ...prompt]);
    let lengths: number[] | undefined = prompts.map((prompt) => prompt.length);
    for (let step = 0; step < maxNewTokens; step++) {
      const tokens = tensor(input.flat(), [B, (input[0] as number[]).length], "int32");
      const forwardOptions = { cache, logits: "last", ...(lengths ? { lengths } : {}) } as const;
      let logits: Float32Array;
      try {
        logits = await takeData(model.forward(tokens, forwardOptions));
      } finally {
        tokens.dispose();
      }
      const next = seen.map((ids, row) => {
        if (ended[row]) return undefined;
        const id = sampleToken(logits.subarray(row * V, (row + 1) * V), ids, rngs[row] as Rng, options);
        ended[row] = stop.includes(id);
        return ended[row] ? undefined : id;
      });
      if (ended.every(Boolean)) return;
      yield next;
      throwIfAborted(signal);
      await yieldToEventLoop();
      next.forEach((id, row) => {
        if (id !== undefined) seen[row]?.push(id);
      });
      input = seen.map((ids) => [ids.at(-1) as number]); // an ended row repeats its last token, for nobody
      lengths = undefined;
    }
  } finally {
    cache.dispose();
  }
}

/** The length of the longest prompt. */
function checkPrompts(model: CausalLm, prompts: readonly (readonly number[])[]): number {
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0)) {
    const lengths = prompts.map((prompt) => prompt.length);
    throw new RangeError(
      `generateBatch: got prompts of [${lengths}] tokens, expected one at least, and a token in each. ` +
        "Start with the model's bos token.",
    );
  }
  prompts.forEach((prompt, row) => {
    const wrong = prompt.find((id) => !(Number.isInteger(id) && id >= 0 && id < model.vocabSize));
    if (wrong === undefined) return;
    throw new RangeError(
      `generateBatch: prompt ${row} holds ${wrong}, expected integers in [0, ${model.vocabSize}). ` +
        "Is this the model's tokenizer?",
    );
  });
  return Math.max(...prompts.map((prompt) => prompt.length));
}
