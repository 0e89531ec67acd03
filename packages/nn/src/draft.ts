import { takeData, tensor } from "@corenet/tensor";
import type { CausalLm } from "./causal-lm.ts";
import { mostLikely } from "./samplers.ts";

/** How the next tokens are guessed. A value: each generation starts a drafter of its own. */
export interface DraftMethod {
  /**
   * @param options - positions that the text may come to, and the vocabulary of the model that checks
   * @throws RangeError when the method does not fit the model
   */
  start(options: { capacity: number; vocabSize: number }): Drafter;
}

/** Guesses for one generation. */
export interface Drafter {
  /** At most `atMost` ids that may follow `seen`, or none. */
  propose(seen: readonly number[], atMost: number, signal?: AbortSignal): Promise<number[]> | number[];
  /** How many of the last proposal came true, from its start. */
  settle(accepted: number): void;
  dispose(): void;
}

export interface PromptLookupOptions {
  /** Ids that are drafted at most. @default 10 */
  numTokens?: number;
  /** Longest run of ids that is looked for. @default 2 */
  maxNgram?: number;
}

/**
 * Drafts what followed the last few ids at their first earlier place: for editing, summaries, code. Costs no model.
 *
 * @throws RangeError when an option is not a positive integer
 * @see Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding
 */
export function promptLookup(options: PromptLookupOptions = {}): DraftMethod {
  const { numTokens = 10, maxNgram = 2 } = options;
  for (const [name, value] of Object.entries({ numTokens, maxNgram })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new RangeError(`promptLookup: ${name} is ${value}, expected an integer of at least 1.`);
  }
  return {
    start: () => ({
      propose: (seen, atMost) => lookUp(seen, Math.min(numTokens, atMost), maxNgram),
      settle() {},
      dispose() {},
    }),
  };
}

/** Up to `count` ids that followed the first earlier place of the last n ids, for the largest n that has one. */
export function lookUp(seen: readonly number[], count: number, maxNgram: number): number[] {
  for (let n = Math.min(maxNgram, seen.length - 1); n >= 1; n--) {
    const tail = seen.slice(-n);
    for (let at = 0; at + n < seen.length; at++) {
      if (tail.every((id, i) => seen[at + i] === id)) return seen.slice(at + n, at + n + count);
    }
  }
  return [];
}

export interface AssistantOptions {
  /** Ids that are drafted at first; two more after a draft that came true as a whole, else one less. @default 5 */
  numTokens?: number;
}

const prefillChunk = 512;

/**
 * Drafts the most likely ids of a smaller model with the same tokenizer. The model is borrowed.
 *
 * @throws RangeError when `numTokens` is not a positive integer; from `start`, when the vocabularies differ
 */
export function assistant(model: CausalLm, options: AssistantOptions = {}): DraftMethod {
  const { numTokens = 5 } = options;
  if (!(Number.isInteger(numTokens) && numTokens >= 1)) {
    throw new RangeError(`assistant: numTokens is ${numTokens}, expected an integer of at least 1.`);
  }
  return {
    start({ capacity, vocabSize }) {
      if (model.vocabSize !== vocabSize) {
        throw new RangeError(
          `assistant: it has ${model.vocabSize} tokens and the model ${vocabSize}, expected the same tokenizer. ` +
            "Take a smaller model of the same family.",
        );
      }
      const cache = model.createCache({ batch: 1, capacity: Math.min(capacity, model.contextLength) });
      let count = numTokens;
      let length = 0; // of the text when the last draft was made
      let drafted = 0;

      async function next(ids: readonly number[]): Promise<number> {
        let logits: Float32Array = new Float32Array(0);
        for (let from = 0; from < ids.length; from += prefillChunk) {
          const piece = ids.slice(from, from + prefillChunk);
          const tokens = tensor(piece, [1, piece.length], "int32");
          try {
            logits = await takeData(model.forward(tokens, { cache, logits: "last" }));
          } finally {
            tokens.dispose();
          }
        }
        return mostLikely(logits);
      }

      return {
        async propose(seen, atMost, signal) {
          const room = cache.capacity - seen.length + 1; // the last drafted id is not read
          const wanted = Math.min(count, atMost, room);
          const ids: number[] = [];
          length = seen.length;
          for (let unread = seen.slice(cache.length); ids.length < wanted; unread = ids.slice(-1)) {
            signal?.throwIfAborted();
            ids.push(await next(unread));
          }
          drafted = ids.length;
          return ids;
        },
        settle(accepted) {
          if (drafted === 0) return;
          cache.truncate(length + Math.min(accepted, drafted - 1));
          count = accepted === drafted ? count + 2 : Math.max(1, count - 1);
        },
        dispose: () => cache.dispose(),
      };
    },
  };
}
