import type { Tokenizer } from "@corenet/formats";
import type { CausalLm } from "./causal-lm.ts";
import { type GenerateOptions, generate } from "./generate.ts";

export interface GenerateTextOptions extends GenerateOptions {
  prompt: string;
  /** Whether the tokenizer's bos stands in front of the prompt. @default where nothing was read before and it has one */
  addBos?: boolean;
  /** Texts that end the answer, also where they span tokens; they are not yielded. @default [] */
  stopStrings?: readonly string[];
}

/**
 * Continues a text, piece by piece as it comes. The pieces, joined, are valid Unicode: a character comes when its last
 * byte is there, and bytes that are no character become U+FFFD. The tokenizer's eos ends it.
 *
 * @throws RangeError when the model has fewer tokens than the tokenizer, the prompt is empty or does not fit the
 *   context, a stop string is empty, or a sampling option is out of range
 * @throws the signal's reason when it is aborted, unless `onAbort` says to stop
 * @example for await (const text of generateText(model, tokenizer, { prompt: "Once" })) process.stdout.write(text);
 */
export async function* generateText(
  model: CausalLm,
  tokenizer: Tokenizer,
  options: GenerateTextOptions,
): AsyncGenerator<string, void, undefined> {
  const { prompt, stopStrings = [], stop = [] } = options;
  const { bosId, eosId } = tokenizer;
  const isFresh = (options.cache?.length ?? 0) === 0;
  const { addBos = isFresh && bosId !== undefined } = options;
  if (tokenizer.vocabSize > model.vocabSize) {
    throw new RangeError(
      `generateText: the tokenizer has ${tokenizer.vocabSize} tokens and the model ${model.vocabSize}, expected at least ` +
        "as many. Take the tokenizer that the model was trained with.",
    );
  }
  if (addBos && bosId === undefined) {
    throw new RangeError("generateText: addBos is true and the tokenizer has no bos. Leave addBos out.");
  }
  if (stopStrings.includes("")) {
    throw new RangeError("generateText: a stop string is empty, expected some text. Leave it out.");
  }
  const ids = [...(addBos && bosId !== undefined ? [bosId] : []), ...tokenizer.encode(prompt)];
  if (ids.length === 0)
    throw new RangeError("generateText: the prompt is empty, expected some text to continue.");

  const decoder = tokenizer.decoder();
  let held = ""; // may be the beginning of a stop string
  const ends = eosId === undefined ? stop : [...stop, eosId];
  for await (const id of generate(model, ids, { ...options, stop: ends })) {
    held += id < tokenizer.vocabSize ? decoder.push(id) : ""; // models may pad their vocabulary
    const { text, rest, ended } = releaseText(held, stopStrings);
    if (text !== "") yield text;
    if (ended) return;
    held = rest;
  }
  const { text, rest, ended } = releaseText(held + decoder.end(), stopStrings);
  const last = ended ? text : text + rest;
  if (last !== "") yield last;
}

/**
 * What of a text can be given out: all before the first stop string, or all that no stop string can begin in.
 *
 * @returns `text` to give out, `rest` to hold back, and whether a stop string was met
 */
export function releaseText(
  held: string,
  stopStrings: readonly string[],
): { text: string; rest: string; ended: boolean } {
  const found = stopStrings.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
  if (found.length > 0) return { text: held.slice(0, Math.min(...found)), rest: "", ended: true };
  const longest = Math.max(0, ...stopStrings.map((stop) => stop.length - 1));
  for (let length = Math.min(longest, held.length); length > 0; length--) {
    const tail = held.slice(-length);
    if (stopStrings.some((stop) => stop.startsWith(tail))) {
      return { text: held.slice(0, -length), rest: tail, ended: false };
    }
  }
  return { text: held, rest: "", ended: false };
}
