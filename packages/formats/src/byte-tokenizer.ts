import type { Tokenizer } from "./tokenizer.ts";
import { checkTokenId } from "./tokenizers/check-token-id.ts";

export interface ByteTokenizerOptions {
  /** Special tokens, numbered from 256 on in this order. @default [] */
  specials?: readonly ("bos" | "eos" | "pad")[];
}

/** `encode` is known to give an Int32Array here. */
export interface ByteTokenizer extends Tokenizer {
  encode(text: string): Int32Array<ArrayBuffer>;
}

/**
 * One token per byte of UTF-8: ids 0 to 255 are the bytes. A lone surrogate is encoded as U+FFFD.
 *
 * @throws RangeError when a special token is named twice or unknown
 */
export function byteTokenizer(options: ByteTokenizerOptions = {}): ByteTokenizer {
  const { specials = [] } = options;
  const known = ["bos", "eos", "pad"];
  if (new Set(specials).size !== specials.length || !specials.every((special) => known.includes(special))) {
    throw new RangeError(
      `byteTokenizer: specials are [${specials}], expected each of bos, eos and pad at most once. Remove the others.`,
    );
  }
  const vocabSize = 256 + specials.length;

  const checkId = (id: number) => checkTokenId("byteTokenizer", id, vocabSize);
  const newDecoder = () => new TextDecoder("utf-8", { ignoreBOM: true }); // a byte order mark is text like any other
  const idOf = (special: "bos" | "eos" | "pad") => 256 + specials.indexOf(special);

  return {
    vocabSize,
    ...(specials.includes("bos") ? { bosId: idOf("bos") } : {}),
    ...(specials.includes("eos") ? { eosId: idOf("eos") } : {}),
    ...(specials.includes("pad") ? { padId: idOf("pad") } : {}),
    encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
    decode(ids) {
      const bytes = new Uint8Array(ids.length);
      let length = 0;
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i] as number;
        checkId(id);
        if (id < 256) bytes[length++] = id;
      }
      return newDecoder().decode(bytes.subarray(0, length));
    },
    decoder() {
      const text = newDecoder();
      const one = new Uint8Array(1);
      return {
        push(id) {
          checkId(id);
          if (id >= 256) return "";
          one[0] = id;
          return text.decode(one, { stream: true });
        },
        end: () => text.decode(),
      };
    },
  };
}
