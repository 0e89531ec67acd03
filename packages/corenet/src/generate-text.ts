import { Rng } from "@corenet/core";
import { byteTokenizer, type Tokenizer } from "@corenet/formats";
import { type CausalLm, type GenerateTextOptions, generateText as generateWithTokenizer } from "@corenet/nn";

export interface TextOptions extends Omit<GenerateTextOptions, "rng"> {
  /** The model's tokenizer, such as `loadTokenizer` gives. @default bytes, which only fit a model of 256 tokens */
  tokenizer?: Tokenizer;
  /** @default 0 */
  seed?: number;
}

/**
 * Continues a text, piece by piece as it comes. The pieces, joined, are valid Unicode: a character comes when its last
 * byte is there, and bytes that are no character become U+FFFD.
 *
 * @param options - `maxNewTokens` is in tokens; by default as many as the context holds after the prompt
 * @throws RangeError when the tokenizer does not fit the model, the prompt is empty or does not fit the context, or a
 *   sampling option is out of range
 * @throws the signal's reason when it is aborted
 */
export async function* generateText(
  model: CausalLm,
  { seed = 0, tokenizer, ...options }: TextOptions,
): AsyncGenerator<string, void, undefined> {
  const bytes = byteTokenizer();
  if (!tokenizer && model.vocabSize !== bytes.vocabSize) {
    throw new RangeError(
      `generateText: the model has ${model.vocabSize} tokens, expected ${bytes.vocabSize}, one for each byte. ` +
        "Pass its tokenizer: `tokenizer: await loadTokenizer(folder)`.",
    );
  }
  yield* generateWithTokenizer(model, tokenizer ?? bytes, { ...options, rng: new Rng(seed) });
}
