// Text to training samples, as the reference prepares it.
import type { Tokenizer } from "@corenet/formats";

/** Ids that the model reads, and the ids that it shall predict at each place; as many as `contextLength` when padded. */
export interface TextSample {
  readonly tokens: Int32Array;
  /** `padId` where nothing is to be predicted: pass it to `crossEntropy` as `ignoreIndex`. */
  readonly targets: Int32Array;
}

export interface TextSampleOptions {
  /** Tokens of a sample. @default 2048 */
  contextLength?: number;
  /** Pieces with fewer ids, bos and eos counted, are dropped. @default 256 */
  minTokens?: number;
  /** Pieces with fewer characters, as `countCharacters` counts, are dropped. @default 200 */
  minCharacters?: number;
  /** Fills short samples, and is never predicted. @default the vocabulary's size */
  padId?: number;
  /** Whether short samples are filled; `packDocuments` needs none. @default true */
  padded?: boolean;
  /** Applied to each piece before it is encoded; the reference repairs mojibake there, by ftfy's fix_text. @default NFC */
  normalize?: (text: string) => string;
}

const documentWords = 2048;

/**
 * Samples of one document, without packing: it is cut into pieces of 2048 words, each piece gets bos and eos, and its
 * first `contextLength + 1` ids are one sample; what goes beyond is lost, what is missing is padded.
 *
 * @throws RangeError when the tokenizer has no bos or eos, or `contextLength` is not a positive integer
 * @see apple/corenet, data/datasets/language_modeling/general_lm.py
 */
export function* textSamples(
  document: string,
  tokenizer: Tokenizer,
  options: TextSampleOptions = {},
): Generator<TextSample> {
  const { contextLength = 2048, minTokens = 256, minCharacters = 200 } = options;
  const { padId = tokenizer.vocabSize, padded = true, normalize = (text) => text.normalize("NFC") } = options;
  const { bosId, eosId } = tokenizer;
  if (bosId === undefined || eosId === undefined) {
    throw new RangeError(
      "textSamples: the tokenizer has no bos or no eos, expected both. Take the model's tokenizer.",
    );
  }
  if (!(Number.isInteger(contextLength) && contextLength >= 1)) {
    throw new RangeError(
      `textSamples: contextLength is ${contextLength}, expected an integer of at least 1.`,
    );
  }
  for (const piece of splitDocument(document, documentWords)) {
    if (countCharacters(piece) < minCharacters) continue;
    const ids = [bosId, ...tokenizer.encode(normalize(piece)), eosId];
    if (ids.length < minTokens) continue;
    const row = new Int32Array(padded ? contextLength + 1 : Math.min(ids.length, contextLength + 1)).fill(
      padId,
    );
    row.set(ids.slice(0, row.length));
    yield { tokens: row.slice(0, -1), targets: row.slice(1) };
  }
}

/** Pieces of `words` words each, cut at single spaces only: two in a row have an empty word between them. */
export function splitDocument(document: string, words: number): string[] {
  const all = document.split(" ");
  const pieces: string[] = [];
  for (let at = 0; at < all.length; at += words) pieces.push(all.slice(at, at + words).join(" "));
  return pieces;
}

/** Characters of a text without ASCII punctuation, with white space collapsed and trimmed: for the filter alone. */
export function countCharacters(text: string): number {
  const plain = text
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, "")
    .replace(/\s+/g, " ")
    .trim();
  return [...plain].length;
}
