import { IoError } from "@corenet/core";
import {
  type ByteSource,
  borrowedSource,
  fileSource,
  loadTokenizer,
  openModelFiles,
  parseSentencePiece,
  readJson,
} from "@corenet/formats";
import { type GgufVocabulary, tokenizerVocabulary } from "@corenet/openelm";

/**
 * The vocabulary that a GGUF file carries, from the tokenizer beside a checkpoint: its `tokenizer.model`, else its
 * `tokenizer.json`.
 *
 * @param from - a folder, `hf:owner/name`, or one of those files itself
 * @throws IoError when there is none
 * @throws FormatError when it is of a kind that llama.cpp does not have
 */
export async function ggufVocabulary(from: string, signal: AbortSignal): Promise<GgufVocabulary> {
  const isFile = /\.(?:model|json)$/.test(from) && !/^(?:hf|https?):/.test(from);
  const sources = isFile
    ? [await fileSource(from)]
    : await openModelFiles(from, { files: ["tokenizer*.json", "tokenizer.model"], signal });
  const named = (ending: string) => sources.find(({ name }) => name.endsWith(ending));
  try {
    const model = named(".model");
    if (model) return fromModel(await model.read(0, model.size, { signal }), model.name);
    const json = named("tokenizer.json");
    if (json) return await fromJson(json, sources, signal);
    throw new IoError(
      `export: ${from} has no tokenizer.model and no tokenizer.json, and llama.cpp needs a tokenizer in a GGUF file. ` +
        "Name that of Llama 2: --tokenizer=tokenizer.model.",
      { path: from },
    );
  } finally {
    await Promise.allSettled(sources.map((source) => source.close()));
  }
}

function fromModel(bytes: Uint8Array, name: string): GgufVocabulary {
  const { pieces, bosId, eosId, unkId } = parseSentencePiece(bytes, name);
  return {
    tokens: pieces.map(({ piece }) => piece),
    scores: pieces.map(({ score }) => score),
    types: pieces.map(({ type }) => type), // llama.cpp's numbers are SentencePiece's
    ...{ bos: bosId, eos: eosId, unknown: unkId },
  };
}

async function fromJson(
  json: ByteSource,
  sources: readonly ByteSource[],
  signal: AbortSignal,
): Promise<GgufVocabulary> {
  const { bosId, eosId } = await loadTokenizer(sources, { signal });
  return tokenizerVocabulary(await readJson(borrowedSource(json), { signal }), {
    ...(bosId === undefined ? {} : { bosId }),
    ...(eosId === undefined ? {} : { eosId }),
    name: json.name,
  });
}
