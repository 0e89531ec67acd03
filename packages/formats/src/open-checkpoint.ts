import { CheckpointError, IoError } from "@corenet/core";
import type { ByteSource, ReadOptions } from "./byte-source.ts";
import { fileSource } from "./file-source.ts";
import { nodeFs, nodePath } from "./node-builtin.ts";
import { findTensor, openSafetensors } from "./open-safetensors.ts";
import { readJson } from "./read-json.ts";
import type { TensorFile, TensorInfo } from "./tensor-file.ts";

const singleName = "model.safetensors";
const indexName = "model.safetensors.index.json";

/**
 * The weights of a model: `model.safetensors`, or else `model.safetensors.index.json` and the files that it names.
 *
 * @param from - a folder, or one `.safetensors` file (Node); or sources, told apart by the last part of their names.
 *   Sources are owned from then on: `close` closes all, and so does a failure here.
 * @throws CheckpointError when the files are not there, or index and files contradict each other: it lists all
 * @throws FormatError when a file is broken
 * @throws IoError when a file cannot be read
 */
export async function openCheckpoint(
  from: string | readonly ByteSource[],
  options: ReadOptions = {},
): Promise<TensorFile> {
  if (typeof from !== "string") return openSources(from, options);
  if (from.endsWith(".safetensors")) return openSafetensors(await fileSource(from), options);

  const { join } = nodePath("openCheckpoint", from);
  const folder = await namesIn(from);
  if (folder.has(singleName)) return openSafetensors(await fileSource(join(from, singleName)), options);
  if (!folder.has(indexName)) {
    throw new CheckpointError(
      `openCheckpoint: ${from} has neither ${singleName} nor ${indexName}. ` +
        "Check the folder; files of another format must be converted first.",
      { path: from },
    );
  }
  const weightMap = await readIndex(await fileSource(join(from, indexName)), from, options);
  return openShards(weightMap, from, options, async (shard) =>
    folder.has(shard) ? fileSource(join(from, shard)) : undefined,
  );
}

async function openSources(sources: readonly ByteSource[], options: ReadOptions): Promise<TensorFile> {
  const byName = new Map(sources.map((source) => [baseName(source.name), source]));
  const closeAll = () => Promise.allSettled(sources.map((source) => source.close()));
  try {
    const only = sources.length === 1 ? sources[0] : undefined;
    const single = only && !only.name.endsWith(".json") ? only : byName.get(singleName);
    const index = byName.get(indexName);
    const where = sources.map((source) => source.name).join(", ") || "an empty list";
    if (!single && !index) {
      throw new CheckpointError(
        `openCheckpoint: got ${where}, expected ${singleName}, or ${indexName} and its files. ` +
          "Pass one source per file, named as the files are.",
      );
    }
    const checkpoint = single
      ? await openSafetensors(single, options)
      : await openShards(
          await readIndex(index as ByteSource, where, options),
          where,
          options,
          async (shard) => byName.get(shard),
        );
    return { ...checkpoint, close: async () => void (await closeAll()) };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Opens the shards that `weightMap` names, and compares what they hold with what it says. */
async function openShards(
  weightMap: ReadonlyMap<string, string>,
  where: string,
  options: ReadOptions,
  open: (shard: string) => Promise<ByteSource | undefined>,
): Promise<TensorFile> {
  const wrong: string[] = [];
  const shards = new Map<string, TensorFile>();
  const closeAll = () => Promise.allSettled([...shards.values()].map((shard) => shard.close()));
  try {
    for (const shard of [...new Set(weightMap.values())].sort()) {
      const source = await open(shard);
      if (source) shards.set(shard, await openSafetensors(source, options));
      else wrong.push(`${shard} is missing`);
    }

    const tensors = new Map<string, TensorInfo>();
    const metadata = new Map<string, string>();
    const holder = new Map<string, TensorFile>();
    for (const [shard, file] of shards) {
      for (const [name, info] of file.tensors) {
        const told = weightMap.get(name);
        if (told === undefined) wrong.push(`${shard} holds "${name}", which the index does not list`);
        else if (told !== shard) wrong.push(`${shard} holds "${name}", which the index puts into ${told}`);
        tensors.set(name, info);
        holder.set(name, file);
      }
      for (const [key, value] of file.metadata) if (!metadata.has(key)) metadata.set(key, value);
    }
    for (const [name, shard] of weightMap) {
      const file = shards.get(shard);
      if (file && !file.tensors.has(name))
        wrong.push(`${shard} does not hold "${name}", which the index puts there`);
    }
    if (wrong.length > 0) {
      throw new CheckpointError(
        `openCheckpoint: the index of ${where} and its files contradict each other:\n- ${wrong.join("\n- ")}\n` +
          "Download all files again, from one version.",
        { path: where },
      );
    }

    const fileOf = (who: string, name: string) => {
      findTensor(who, where, tensors, name);
      return holder.get(name) as TensorFile;
    };
    return {
      tensors,
      metadata,
      read: async (name, readOptions) => fileOf("read", name).read(name, readOptions),
      readInto: async (name, target, readOptions) =>
        fileOf("readInto", name).readInto(name, target, readOptions),
      pieces: (name, readOptions) => fileOf("pieces", name).pieces(name, readOptions),
      close: async () => void (await closeAll()),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Tensor name to shard name, from the index. */
async function readIndex(
  source: ByteSource,
  path: string,
  options: ReadOptions,
): Promise<ReadonlyMap<string, string>> {
  const index = await readJson(source, options);
  const map = isObject(index) ? Object.entries(index).find(([key]) => key === "weight_map")?.[1] : undefined;
  if (!isObject(map)) {
    throw new CheckpointError(
      `openCheckpoint: ${source.name} has no object weight_map. It is not an index of safetensors; get it again.`,
      { path },
    );
  }
  const wrong: string[] = [];
  const weightMap = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    // A plain name: an index must not reach outside its folder.
    if (typeof shard === "string" && /^[^/\\]+\.safetensors$/.test(shard)) weightMap.set(name, shard);
    else wrong.push(`"${name}" is in ${JSON.stringify(shard)}`);
  }
  if (wrong.length > 0) {
    throw new CheckpointError(
      `openCheckpoint: ${source.name} names files outside its folder or of another kind:\n- ${wrong.join("\n- ")}\n` +
        "Expected names like model-00001-of-00002.safetensors. Get the checkpoint from its author again.",
      { path },
    );
  }
  return weightMap;
}

/** Names in a folder on disk. */
async function namesIn(folder: string): Promise<ReadonlySet<string>> {
  const { readdir } = nodeFs("openCheckpoint", folder);
  try {
    return new Set(await readdir(folder));
  } catch (cause) {
    throw new IoError(
      `openCheckpoint: cannot list the folder ${folder}: ${cause}. Pass a folder, or a .safetensors file.`,
      { path: folder, cause },
    );
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Last part of a path or URL, without query. */
function baseName(name: string): string {
  return name.replace(/[?#].*$/, "").replace(/^.*[/\\]/, "");
}
