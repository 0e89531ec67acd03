/** Text to token ids and back. */
export interface Tokenizer {
  /** Ids are in [0, vocabSize). */
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  /** Ids of the text alone: no special ids are added. */
  encode(text: string): number[] | Int32Array;
  /** Text of the ids; special ids give none. @throws RangeError when an id is outside the vocabulary */
  decode(ids: ArrayLike<number>): string;
  /** For text that comes token by token. */
  decoder(): TokenDecoder;
}

/** All that `push` and `end` return, joined, is what `decode` gives for the same ids. */
export interface TokenDecoder {
  /** The text that is certain by now: an unfinished character is held back. */
  push(id: number): string;
  /** What was held back; an unfinished character becomes U+FFFD. */
  end(): string;
}
