import { Rng } from "@corenet/core";
import { byteTokenizer } from "@corenet/formats";
import { type CausalLm, type GenerateOptions, generate } from "@corenet/nn";

export interface GenerateTextOptions extends Omit<GenerateOptions, "rng" | "cache" | "stop"> {
  prompt: string;
  /** @default 0 */
  seed?: number;
}

/**
 * Continues a text with a model of byte tokens, piece by piece as it comes. The pieces, joined, are valid Unicode: a
 * character comes when its last byte is there, and bytes that are no character become U+FFFD.
 *
 * @param options - `maxNewTokens` is in bytes; by default as many as the context holds after the prompt
 * @throws RangeError when the model has other tokens than bytes, the prompt is empty or does not fit the context, or a
 *   sampling option is out of range
 * @throws the signal's reason when it is aborted
 */
export async function* generateText(
  model: CausalLm,
  { prompt, seed = 0, ...options }: GenerateTextOptions,
): AsyncGenerator<string, void, undefined> {
  const tokenizer = byteTokenizer();
  if (model.vocabSize !== tokenizer.vocabSize) {
    throw new RangeError(
      `generateText: the model has ${model.vocabSize} tokens, expected ${tokenizer.vocabSize}, one for each byte. ` +
        "Models with a tokenizer of their own work with generate of @corenet/nn.",
    );
  }
  if (prompt === "")
    throw new RangeError("generateText: the prompt is empty, expected some text to continue.");
  const decoder = tokenizer.decoder();
  for await (const id of generate(model, [...tokenizer.encode(prompt)], { ...options, rng: new Rng(seed) })) {
    const text = decoder.push(id);
    if (text !== "") yield text;
  }
  const rest = decoder.end();
  if (rest !== "") yield rest;
}
