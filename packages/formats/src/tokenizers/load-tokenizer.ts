import { IoError } from "@corenet/core";
import { borrowedSource } from "../borrowed-source.ts";
import type { ByteSource, ReadOptions } from "../byte-source.ts";
import { fileSource } from "../file-source.ts";
import { nodeFs, nodePath } from "../node-builtin.ts";
import { readJson } from "../read-json.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { jsonTokenizer } from "./json-tokenizer.ts";
import { sentencePieceTokenizer } from "./sentencepiece-tokenizer.ts";

const maxModelBytes = 64 * 2 ** 20; // the largest vocabularies have some megabytes

/**
 * The tokenizer among the files of a model: `tokenizer.json` (with `tokenizer_config.json` where it is), else a
 * SentencePiece `tokenizer.model`.
 *
 * @param from - a folder or one of those files (Node); or sources, told apart by the last part of their names. Sources
 *   stay open and belong to the caller.
 * @throws IoError when there is neither
 * @throws FormatError when the file is broken
 */
export async function loadTokenizer(
  from: string | readonly ByteSource[],
  options: ReadOptions = {},
): Promise<Tokenizer> {
  if (typeof from !== "string") return fromSources(from, options);
  const sources = await openFiles(from);
  try {
    return await fromSources(sources, options, from);
  } finally {
    await Promise.allSettled(sources.map((source) => source.close()));
  }
}

async function openFiles(path: string): Promise<ByteSource[]> {
  const { readdir, stat } = nodeFs("loadTokenizer", path);
  const { basename, dirname, join } = nodePath("loadTokenizer", path);
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  const folder = isFolder ? path : dirname(path);
  const wanted = isFolder ? ["tokenizer.json", "tokenizer.model"] : [basename(path)];
  const there = isFolder || basename(path).endsWith(".json") ? await readdir(folder).catch(() => []) : [];
  const names = new Set(
    [...(isFolder ? [] : wanted), ...there].filter((name) => [...wanted, configName].includes(name)),
  );
  return Promise.all([...names].map((name) => fileSource(join(folder, name))));
}

const configName = "tokenizer_config.json";

async function fromSources(
  sources: readonly ByteSource[],
  options: ReadOptions,
  where = sources.map(({ name }) => name).join(", ") || "an empty list",
): Promise<Tokenizer> {
  const named = (matches: (name: string) => boolean) =>
    sources.find(({ name }) => matches(name.split(/[\\/]/).at(-1) ?? ""));
  const json = named((name) => name.endsWith("tokenizer.json"));
  if (json) {
    const config = named((name) => name === configName);
    return jsonTokenizer(await readJson(borrowedSource(json), options), {
      name: json.name,
      ...(config ? { config: await readJson(borrowedSource(config), options) } : {}),
    });
  }
  const model = named((name) => name.endsWith(".model"));
  if (model && model.size <= maxModelBytes) {
    return sentencePieceTokenizer(await model.read(0, model.size, options), { name: model.name });
  }
  throw new IoError(
    model
      ? `loadTokenizer: ${model.name} has ${model.size} bytes, expected at most ${maxModelBytes}. Is it the right file?`
      : `loadTokenizer: ${where} has neither tokenizer.json nor tokenizer.model. Checkpoints of OpenELM come without ` +
          "one: they use the tokenizer of Llama 2 (meta-llama/Llama-2-7b-hf, after accepting its licence).",
    { path: model?.name ?? where },
  );
}
