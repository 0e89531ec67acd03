import { FormatError } from "@corenet/core";
import { isRecord } from "../is-record.ts";
import type { TokenDecoder, Tokenizer } from "../tokenizer.ts";
import { checkTokenId } from "./check-token-id.ts";

export interface JsonTokenizerOptions {
  /** The parsed tokenizer_config.json, which names the special tokens. */
  config?: unknown;
  /** For error texts. @default "tokenizer.json" */
  name?: string;
}

/** Names of the special tokens where no config tells them. */
const usualNames = {
  bos: ["<s>", "<|begin_of_text|>", "<|startoftext|>", "<bos>"],
  eos: ["</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>"],
  pad: ["<pad>", "[PAD]"],
};

/**
 * A tokenizer from a parsed `tokenizer.json`, run by `@huggingface/tokenizers`.
 *
 * @param json - what JSON.parse gave
 * @throws FormatError when the library cannot make a tokenizer of it
 */
export async function jsonTokenizer(json: unknown, options: JsonTokenizerOptions = {}): Promise<Tokenizer> {
  const { config, name = "tokenizer.json" } = options;
  const refuse = (why: string, cause?: unknown) =>
    new FormatError(`jsonTokenizer: ${name} ${why}. Is it a tokenizer.json of the tokenizers library?`, {
      file: name,
      ...(cause === undefined ? {} : { cause }),
    });
  if (!isRecord(json) || !isRecord(json.model)) throw refuse("has no model");
  const wrong = wrongId(json.model.vocab, json.added_tokens);
  if (wrong !== undefined) throw refuse(wrong);
  const settings = isRecord(config) ? config : {};
  const { Tokenizer: HubTokenizer } = await import("@huggingface/tokenizers");
  let tokenizer: InstanceType<typeof HubTokenizer>;
  try {
    tokenizer = new HubTokenizer(json, { clean_up_tokenization_spaces: false, ...settings });
    tokenizer.encode("a");
  } catch (cause) {
    throw refuse(`cannot be used: ${cause}`, cause);
  }
  const vocabulary = tokenizer.get_vocab(true);
  let vocabSize = 0;
  for (const id of vocabulary.values()) vocabSize = Math.max(vocabSize, id + 1);

  function special(key: "bos" | "eos" | "pad"): number | undefined {
    const told = settings[`${key}_token`];
    const content = isRecord(told) ? told.content : told;
    if (typeof content === "string") return vocabulary.get(content);
    return usualNames[key].map((token) => vocabulary.get(token)).find((id) => id !== undefined);
  }
  const [bosId, eosId, padId] = [special("bos"), special("eos"), special("pad")];
  const decode = (ids: ArrayLike<number>) => {
    const list = Array.from(ids);
    for (const id of list) checkTokenId(name, id, vocabSize);
    return list.length === 0 ? "" : tokenizer.decode(list, { skip_special_tokens: true });
  };

  return {
    vocabSize,
    ...(bosId === undefined ? {} : { bosId }),
    ...(eosId === undefined ? {} : { eosId }),
    ...(padId === undefined ? {} : { padId }),
    encode: (text) => (text === "" ? [] : tokenizer.encode(text, { add_special_tokens: false }).ids),
    decode,
    decoder: () => windowDecoder(decode),
  };
}

const MOST_IDS = 2 ** 24; // sixty times the largest vocabularies

/** What is wrong with the ids of a tokenizer.json, which the library takes as they are; undefined where all can be. */
function wrongId(vocab: unknown, added: unknown): string | undefined {
  if (Array.isArray(vocab)) return undefined; // unigram pieces, whose places are their ids
  if (!isRecord(vocab) || Object.keys(vocab).length === 0) return "has no vocab in its model";
  const told = Array.isArray(added) ? added.filter(isRecord) : [];
  const named = told.map(({ content, id }): [string, unknown] => [String(content), id]);
  for (const [token, id] of [...Object.entries(vocab), ...named]) {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < MOST_IDS) continue;
    return `gives ${JSON.stringify(token)} the id ${JSON.stringify(id)}, expected an integer in [0, ${MOST_IDS})`;
  }
  return undefined;
}

/**
 * Text token by token from a decoder that only knows whole lists: decodes the ids since the text before last with and
 * without the new ones, so that spaces at the seam come out as in one piece. What ends in U+FFFD may be an unfinished
 * character and waits.
 */
function windowDecoder(decode: (ids: readonly number[]) => string): TokenDecoder {
  let settled: number[] = []; // whose text was given out last; they stay in front as context
  let waiting: number[] = [];
  let given = ""; // the text of `settled` alone
  return {
    push(id) {
      waiting.push(id);
      const text = decode([...settled, ...waiting]);
      if (text.length <= given.length || text.endsWith("\ufffd")) return "";
      const fresh = text.slice(given.length);
      settled = waiting;
      waiting = [];
      given = decode(settled);
      return fresh;
    },
    end() {
      const rest = decode([...settled, ...waiting]).slice(given.length);
      settled = [];
      waiting = [];
      given = "";
      return rest;
    },
  };
}
