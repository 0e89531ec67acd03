import { FormatError } from "@corenet/core";
import type { GgufVocabulary } from "./export-gguf.ts";

/** The parts of a tokenizer.json that llama.cpp wants to know. */
interface TokenizerJson {
  readonly model: {
    readonly type?: string;
    readonly byte_fallback?: boolean;
    readonly vocab: Readonly<Record<string, number>>;
    /** "a b" or ["a", "b"], the first to be merged first. */
    readonly merges: readonly (string | readonly [string, string])[];
  };
  readonly added_tokens?: readonly {
    readonly id: number;
    readonly content: string;
    readonly special?: boolean;
  }[];
  readonly pre_tokenizer?: { readonly type?: string; readonly use_regex?: boolean } | null;
}

/**
 * The vocabulary that a GGUF file carries, from a parsed tokenizer.json: byte-pair encoding with bytes to fall back on, as
 * LLaMA's, becomes llama.cpp's "llama", whose scores are the ranks of the merges; byte-level encoding as GPT-2's becomes
 * "gpt2".
 *
 * @param json - as `loadTokenizer` takes it, which has checked its ids
 * @param special - ids of bos and eos, as the tokenizer tells them
 * @throws FormatError when it is of another kind, which llama.cpp would tokenize otherwise
 */
export function tokenizerVocabulary(
  json: unknown,
  special: { bosId?: number; eosId?: number; name?: string } = {},
): GgufVocabulary {
  const { bosId, eosId, name = "tokenizer.json" } = special;
  const { model, added_tokens: added = [], pre_tokenizer: pre } = json as TokenizerJson;
  const isByteLevel = pre?.type === "ByteLevel" && pre.use_regex !== false;
  if (model.type !== "BPE" || !(model.byte_fallback === true || isByteLevel)) {
    throw new FormatError(
      `tokenizerVocabulary: ${name} is ${model.type ?? "of no type"} with ${pre?.type ?? "no"} pre-tokenizer, expected BPE ` +
        "with byte_fallback, or GPT-2's byte-level BPE. Other kinds llama.cpp would tokenize otherwise.",
      { file: name },
    );
  }
  const extra = new Map(added.map((token) => [token.id, token]));
  const count = 1 + Math.max(...Object.values(model.vocab), ...extra.keys());
  const tokens = Array.from({ length: count }, (_, id) => extra.get(id)?.content ?? `[unused ${id}]`);
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  const unknown = tokens.indexOf("<unk>");
  const typeOf = (token: string, id: number) => {
    if (id === unknown) return 2;
    if (extra.has(id)) return extra.get(id)?.special ? 3 : 4;
    return /^<0x[0-9A-F]{2}>$/.test(token) ? 6 : 1;
  };
  const shared = {
    ...{ tokens, types: tokens.map(typeOf), addBos: bosId !== undefined },
    ...(bosId === undefined ? {} : { bos: bosId }),
    ...(eosId === undefined ? {} : { eos: eosId }),
  };
  const pairs = model.merges.map((merge) => (typeof merge === "string" ? merge.split(" ") : merge));
  if (model.byte_fallback !== true) return { ...shared, merges: pairs.map((pair) => pair.join(" ")) };

  const ranks = new Map<string, number>();
  pairs.forEach((pair, rank) => {
    const joined = pair.join("");
    if (!ranks.has(joined)) ranks.set(joined, rank);
  });
  const scores = tokens.map((token) => -(ranks.get(token) ?? pairs.length));
  return { ...shared, scores, ...(unknown < 0 ? {} : { unknown }) };
}
