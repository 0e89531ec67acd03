import { IoError } from "@corenet/core";
import { fileSource, openModelFiles, parseSentencePiece } from "@corenet/formats";
import type { GgufVocabulary } from "@corenet/openelm";

/**
 * The vocabulary that a GGUF file carries, from the SentencePiece model beside a checkpoint.
 *
 * @param from - a folder, `hf:owner/name`, or a `tokenizer.model` itself
 * @throws IoError when there is none: a tokenizer.json lacks the scores that llama.cpp wants
 */
export async function ggufVocabulary(from: string, signal: AbortSignal): Promise<GgufVocabulary> {
  const isFile = from.endsWith(".model") && !/^(?:hf|https?):/.test(from);
  const sources = isFile
    ? [await fileSource(from)]
    : await openModelFiles(from, { files: ["tokenizer.model"], signal });
  try {
    const source = sources.find(({ name }) => name.endsWith(".model"));
    if (source) return vocabularyOf(await source.read(0, source.size, { signal }), source.name);
    throw new IoError(
      `export: ${from} has no tokenizer.model, which llama.cpp needs in a GGUF file. ` +
        "Name that of Llama 2: --tokenizer=tokenizer.model.",
      { path: from },
    );
  } finally {
    await Promise.allSettled(sources.map((source) => source.close()));
  }
}

function vocabularyOf(bytes: Uint8Array, name: string): GgufVocabulary {
  const { pieces, bosId, eosId, unkId } = parseSentencePiece(bytes, name);
  return {
    tokens: pieces.map(({ piece }) => piece),
    scores: pieces.map(({ score }) => score),
    types: pieces.map(({ type }) => type), // llama.cpp's numbers are SentencePiece's
    ...{ bos: bosId, eos: eosId, unknown: unkId },
  };
}
