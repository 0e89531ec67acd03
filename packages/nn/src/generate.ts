import { type OnProgress, Rng, throwIfAborted, yieldToEventLoop } from "@corenet/core";
import { activeBackend, readData, type Tensor2D, type Tensor3D, tensor } from "@corenet/tensor";
import type { CausalLm } from "./causal-lm.ts";
import type { DraftMethod } from "./draft.ts";
import { greedyToken } from "./greedy-token.ts";
import type { KvCache } from "./kv-cache.ts";
import type { PromptCache } from "./prompt-cache.ts";
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
  /** What was read before: of the prompt, only what is new is read. In place of `cache`. */
  promptCache?: PromptCache;
  /** Prompt tokens that are read at a time. @default 512 */
  prefillChunk?: number;
  /** Guesses what comes next, so that one pass checks several tokens. Never changes what is generated. */
  draft?: DraftMethod;
  /**
   * Goes on beyond the context: when it is full, half of it is forgotten, but for the first `keepFirst` tokens, on which
   * attention rests. Not with a cache of the caller's or a draft. @default an error, see `maxNewTokens`
   */
  slide?: { keepFirst?: number };
  /** What an abort does: reject with the signal's reason, or end the loop as if it were complete. @default "throw" */
  onAbort?: "throw" | "stop";
  signal?: AbortSignal;
  /** Reports the reading of the prompt, in tokens. */
  onProgress?: OnProgress;
}

/** A new token, and what the model gave for its place. */
export interface GeneratedToken {
  readonly id: number;
  /** Of the model itself, before any sampling rule; a view that holds until the next token is asked for. */
  readonly logits: Float32Array;
}

const breathMs = 8;

/**
 * Continues a prompt, token by token. Leaving the loop early frees everything.
 *
 * With `draft` the ids are the same as without, also when sampling: every place is drawn from the model's own
 * distribution with the same numbers of `rng`, and a guess only saves the pass that it foresaw.
 *
 * @param prompt - token ids, at least one
 * @throws RangeError when the prompt is empty, holds a token outside the vocabulary, or does not fit the context
 * @throws the signal's reason when it is aborted, unless `onAbort` says to stop
 * @see Xiao et al. 2023, arXiv:2309.17453 (`slide`)
 * @example for await (const id of generate(model, ids, { maxNewTokens: 20, temperature: 0.8 })) …
 * @see Leviathan et al. 2023, arXiv:2211.17192 (drafts), here with drafts that hold one certain id a place
 */
export async function* generate(
  model: CausalLm,
  prompt: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<number, void, undefined> {
  for await (const { id } of produce(model, prompt, options, { wantsLogits: false })) yield id;
}

/** As `generate`, with the logits that each token was drawn from. */
export async function* generateTokens(
  model: CausalLm,
  prompt: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken, void, undefined> {
  for await (const { id, logits } of produce(model, prompt, options, { wantsLogits: true }))
    yield { id, logits: logits as Float32Array };
}

/** A new token; without its logits where the device chose it. */
type Produced = Omit<GeneratedToken, "logits"> & Partial<GeneratedToken>;

async function* produce(
  model: CausalLm,
  prompt: readonly number[],
  options: GenerateOptions,
  { wantsLogits }: { wantsLogits: boolean },
): AsyncGenerator<Produced, void, undefined> {
  const { signal, stop = [], rng = new Rng(0), onAbort = "throw" } = options;
  checkSamplingOptions(options);
  if (onAbort === "stop" && signal?.aborted) return;
  throwIfAborted(signal);
  const { promptCache } = options;
  const lent = promptCache?.cache ?? options.cache;
  const held = promptCache ? 0 : (options.cache?.length ?? 0); // before the prompt
  const maxNewTokens = planLength(model, prompt, held, { ...options, ...(lent ? { cache: lent } : {}) });
  const capacity = held + prompt.length + maxNewTokens;
  const slide = planSlide(model, prompt, options);
  const cache =
    lent ??
    model.createCache({
      batch: 1,
      ...(slide ? { capacity: Math.min(capacity, model.contextLength), rotated: false } : { capacity }),
    });
  const drafter = options.draft?.start({ capacity, vocabSize: model.vocabSize });
  const seen = [...prompt];
  let unread = prompt.length - (promptCache?.reuse(prompt) ?? 0); // how many of the last ids the cache lacks
  let made = 0;
  let stopped = false;
  const reader = promptReader(model, cache, options, { wantsLogits });
  try {
    while (made < maxNewTokens) {
      if (slide && cache.length + unread > cache.capacity) cache.drop(slide.keepFirst, slide.forget);
      const drafted = drafter ? await drafter.propose(seen, maxNewTokens - made - 1, signal) : [];
      const rows = await reader.read(seen.slice(seen.length - unread), drafted);
      let accepted = 0;
      unread = 0;
      for (const row of rows) {
        const id = typeof row === "number" ? row : sampleToken(row, seen, rng, options);
        if (stop.includes(id)) {
          stopped = true;
          return;
        }
        made += 1;
        yield typeof row === "number" ? { id } : { id, logits: row };
        if (onAbort === "stop" && signal?.aborted) return;
        throwIfAborted(signal);
        seen.push(id);
        if (id !== drafted[accepted]) break;
        accepted += 1;
      }
      unread = 1;
      if (drafter) {
        drafter.settle(accepted);
        cache.truncate(held + seen.length - unread);
      }
    }
  } catch (error) {
    if (onAbort !== "stop" || !signal?.aborted) throw error;
  } finally {
    drafter?.dispose();
    if (!lent) cache.dispose();
    else if (drafter) cache.truncate(held + prompt.length + (stopped ? made : Math.max(made - 1, 0)));
    promptCache?.commit(seen);
  }
}

/** What is known of a place: its logits, or the most likely token where nothing else is asked for. */
type Row = Float32Array | number;

/** Reads ids into the cache, long prompts in chunks, and gives the rows after the last and after each drafted id. */
function promptReader(
  model: CausalLm,
  cache: KvCache,
  options: GenerateOptions,
  { wantsLogits }: { wantsLogits: boolean },
) {
  const { signal, prefillChunk = 512, onProgress, temperature = 0, repetitionPenalty = 1 } = options;
  const choosesOnDevice =
    !wantsLogits && temperature === 0 && repetitionPenalty === 1 && !activeBackend().readsAtOnce;
  let lastBreath = performance.now();
  let isPrompt = true;

  /** One pass over `ids`: the rows of the last `wanted` places. */
  async function pass(ids: readonly number[], wanted: number): Promise<Row[]> {
    if (performance.now() - lastBreath > breathMs) {
      await yieldToEventLoop(); // or nobody could abort, nor anything else run
      lastBreath = performance.now();
    }
    throwIfAborted(signal);
    const tokens: Tensor2D = tensor(ids, [1, ids.length], "int32");
    let output: Tensor3D | undefined;
    try {
      output = model.forward(tokens, { cache, logits: wanted === 1 ? "last" : "all" });
      const chosen = choosesOnDevice && wanted === 1 ? await greedyToken(output) : undefined;
      if (chosen !== undefined) return [chosen];
      const logits = await readData(output);
      const V = model.vocabSize;
      const rows = logits.length / V;
      return Array.from({ length: wanted }, (_, i) =>
        logits.subarray((rows - wanted + i) * V, (rows - wanted + i + 1) * V),
      );
    } finally {
      output?.dispose();
      tokens.dispose();
    }
  }

  return {
    async read(ids: readonly number[], drafted: readonly number[]): Promise<Row[]> {
      const total = ids.length;
      const report = (done: number) => {
        if (isPrompt) onProgress?.({ phase: "prefill", done, total, unit: "token" });
      };
      // Drafted ids go with the last id alone: logits of every place of a long prompt would cost more than they save.
      const chunked = drafted.length > 0 ? total - 1 : total;
      let rows: Row[] = [];
      for (let from = 0; from < chunked; from += prefillChunk) {
        const to = Math.min(from + prefillChunk, chunked);
        rows = await pass(ids.slice(from, to), 1);
        if (to < total) report(to);
      }
      if (drafted.length > 0) rows = await pass([ids.at(-1) as number, ...drafted], drafted.length + 1);
      report(total);
      isPrompt = false;
      return rows;
    },
  };
}

/** How much is kept at the start and how much is forgotten after it, when the context is full. */
function planSlide(
  model: CausalLm,
  prompt: readonly number[],
  { slide, cache, promptCache, draft }: GenerateOptions,
): { keepFirst: number; forget: number } | undefined {
  if (!slide) return undefined;
  if (cache || promptCache || draft) {
    throw new RangeError(
      "generate: slide came with a cache or a draft, expected neither. Leave one of them out.",
    );
  }
  const { keepFirst = Math.min(4, prompt.length) } = slide;
  const forget = Math.ceil((model.contextLength - keepFirst) / 2);
  if (Number.isInteger(keepFirst) && keepFirst >= 0 && keepFirst < model.contextLength)
    return { keepFirst, forget };
  throw new RangeError(
    `generate: keepFirst is ${keepFirst}, expected an integer in [0, ${model.contextLength}), less than the context.`,
  );
}

function planLength(
  model: CausalLm,
  prompt: readonly number[],
  held: number,
  options: GenerateOptions,
): number {
  const { prefillChunk = 512, cache } = options;
  const room = Math.min(model.contextLength, cache?.capacity ?? Infinity) - held - prompt.length;
  const wanted = options.maxNewTokens ?? (options.slide ? Number.MAX_SAFE_INTEGER : Math.max(room, 0));
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
  if (wanted > room && !(options.slide && room >= 0)) {
    throw new RangeError(
      `generate: ${held + prompt.length} tokens and ${wanted} new ones, expected at most ${model.contextLength} in all` +
        `${cache ? ` and ${cache.capacity} in the cache` : ""}. Shorten the prompt` +
        `${room < 0 ? "" : `, or lower maxNewTokens to ${room}`}.`,
    );
  }
  return wanted;
}
