import { IoError } from "@corenet/core";
import { borrowedSource } from "./borrowed-source.ts";
import type { ByteSource } from "./byte-source.ts";
import { fileSource } from "./file-source.ts";
import { type HttpSourceOptions, httpSource } from "./http-source.ts";
import { type HubOptions, openHub } from "./hub/open-hub.ts";
import { nodeFs, nodePath } from "./node-builtin.ts";
import { openAll } from "./open-all.ts";
import { readJson } from "./read-json.ts";

const indexName = "model.safetensors.index.json";
const wanted = /^(?:.*\.json|.*\.safetensors|tokenizer\.model|.*\.jinja)$/;

/**
 * The files of a model, wherever it lies: what `loadOpenElm`, `openCheckpoint` and `loadTokenizer` take.
 *
 * @param from - a folder (Node); `hf:owner/name` on the Hugging Face hub; or the URL of a folder with config.json and
 *   model.safetensors, or its index and shards
 * @returns one source a file, named as the files are; the caller closes them
 * @throws IoError when something cannot be reached
 */
export async function openModelFiles(from: string, options: HubOptions = {}): Promise<ByteSource[]> {
  if (from.startsWith("hf:")) return openHub(from.slice(3), options);
  if (/^https?:\/\//.test(from)) return fromUrl(from, options);
  return fromFolder(from);
}

async function fromFolder(folder: string): Promise<ByteSource[]> {
  const { readdir } = nodeFs("openModelFiles", folder);
  const { join } = nodePath("openModelFiles", folder);
  const names = await readdir(folder).catch((cause) => {
    throw new IoError(
      `openModelFiles: cannot read the folder ${folder}: ${cause.code}. Check the path; a model on the hub is ` +
        `"hf:owner/name".`,
      { path: folder, cause },
    );
  });
  const files = names.filter((name) => wanted.test(name)).sort();
  return openAll(files.map((name) => () => fileSource(join(folder, name))));
}

/** A web server lists no folders, so the files are known by their usual names. */
async function fromUrl(url: string, { fetch, signal }: HubOptions): Promise<ByteSource[]> {
  const base = url.endsWith("/") ? url : `${url}/`;
  const options: HttpSourceOptions = { ...(fetch ? { fetch } : {}), ...(signal ? { signal } : {}) };
  const open = (name: string) => httpSource(new URL(name, base), options);
  const orNone = (name: string) =>
    open(name).catch((error) => {
      if (error instanceof IoError && / answered (?:404|403) | text\/html/.test(error.message))
        return undefined;
      throw error;
    });

  const opened: ByteSource[] = [];
  try {
    opened.push(await open("config.json"));
    const index = await orNone(indexName);
    if (index) {
      opened.push(index);
      for (const shard of await shardsOf(index)) opened.push(await open(shard));
    } else opened.push(await open("model.safetensors"));
    for (const name of ["tokenizer.json", "tokenizer_config.json", "tokenizer.model"]) {
      const source = await orNone(name);
      if (source) opened.push(source);
    }
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map((source) => source.close()));
    throw error;
  }
}

/** The files that an index names. What else is wrong with it, `openCheckpoint` says. */
async function shardsOf(index: ByteSource): Promise<string[]> {
  const json = await readJson(borrowedSource(index));
  const map = typeof json === "object" && json !== null && "weight_map" in json ? json.weight_map : {};
  const names = Object.values(map ?? {}).filter((name) => typeof name === "string");
  return [...new Set(names)].filter((name) => /^[\w.-]+$/.test(name));
}
