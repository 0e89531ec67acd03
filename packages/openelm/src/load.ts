import { CheckpointError, createProgress, type OnProgress, throwIfAborted } from "@corenet/core";
import {
  type ByteSource,
  openCheckpoint,
  openModelFiles,
  type PackedContainer,
  type PackedInfo,
  readJson,
  type TensorFile,
} from "@corenet/formats";
import { disposeTree, loadKernels, type PackedMatrix, type Tensor } from "@corenet/tensor";
import type { OpenElmConfig } from "./config.ts";
import { parseConfig } from "./config-json.ts";
import { OpenElm } from "./open-elm.ts";
import { buildParameters, type OpenElmParams, parameterShapes } from "./parameters.ts";
import { leafReader, weightDtypes } from "./read-leaf.ts";
import { checkRoom, type Storage } from "./storage.ts";

export interface LoadOptions {
  /** How matrices are kept on the device. @default "f32" */
  storage?: Storage;
  /** How packed matrices lie in the file, such as `lfsrContainer()`: they stay packed. @default none */
  packed?: readonly PackedContainer<PackedMatrix>[];
  signal?: AbortSignal;
  onProgress?: OnProgress;
}

type Leaf = Tensor | PackedMatrix;

/** Where a packed matrix lies. */
interface Packed {
  readonly container: PackedContainer<PackedMatrix>;
  readonly info: PackedInfo;
}

/**
 * Loads a Hugging Face folder: config.json and model.safetensors, or its shards. Names may carry the published prefix
 * `transformer.` or be corenet's own. Everything is checked before a weight is read; weights are read one at a time.
 *
 * @param from - a folder (Node); `hf:owner/name` on the Hugging Face hub, or the URL of a folder, see `openModelFiles`; or
 *   sources named as the files are, which are closed at the end
 * @throws OutOfMemoryError before anything is loaded, when the weights do not fit, with the storage that does
 * @throws IoError when something cannot be reached
 * @throws CheckpointError when a file is missing, or config and weights contradict each other: all mismatches at once
 * @throws FormatError when a file is broken
 */
export async function loadOpenElm(
  from: string | readonly ByteSource[],
  options: LoadOptions = {},
): Promise<OpenElm> {
  const { storage = "f32", packed: containers = [], signal, onProgress } = options;
  throwIfAborted(signal);
  await loadKernels();
  const { config, weights } = await openFolder(from, options);
  try {
    if (storage !== "as-is" && containers.length === 0) checkRoom(config, storage);
    const packed = await findPacked(weights, containers, signal);
    const names = matchWeights(config, weights, packed);
    const bytesOf = (name: string) =>
      packed.get(name)?.info.byteLength ?? weights.tensors.get(name)?.byteLength ?? 0;
    const total = [...names.values()].reduce((sum, name) => sum + bytesOf(name), 0);
    const progress = createProgress({ phase: "load", unit: "bytes", total, onProgress });
    const leaves = new Map<string, Leaf>();
    const readLeaf = leafReader(weights, storage, signal);
    try {
      for (const [path, name] of names) {
        throwIfAborted(signal);
        const container = packed.get(name)?.container;
        const leaf = container ? await container.read(weights, name, { signal }) : await readLeaf(name);
        leaves.set(path, leaf);
        progress.advance(bytesOf(name), path);
      }
      progress.finish();
    } catch (error) {
      disposeTree([...leaves.values()]);
      throw error;
    }
    const take = (path: string) => leaves.get(path) as Leaf;
    return new OpenElm(buildParameters(config, { matrix: take, gain: take }) as OpenElmParams, config);
  } finally {
    await weights.close();
  }
}

async function openFolder(
  from: string | readonly ByteSource[],
  { signal, onProgress }: LoadOptions,
): Promise<{ config: OpenElmConfig; weights: TensorFile }> {
  if (typeof from === "string" && /^(?:hf:|https?:)/.test(from)) {
    const files = ["config.json", "*.safetensors", "*.safetensors.index.json"];
    const io = { ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) };
    return openFolder(await openModelFiles(from, { ...io, files }), {});
  }
  if (typeof from === "string") {
    const config = parseConfig(await readJson(`${from}/config.json`), `${from}/config.json`);
    return { config, weights: await openCheckpoint(from, { signal }) };
  }
  const isConfig = (source: ByteSource) => source.name.split("/").at(-1) === "config.json";
  const configSource = from.find(isConfig);
  if (!configSource) {
    await Promise.allSettled(from.map((source) => source.close()));
    const names = from.map((source) => source.name).join(", ") || "nothing";
    throw new CheckpointError(
      `loadOpenElm: got ${names}, expected config.json among them. Pass all files of the folder.`,
    );
  }
  const config = parseConfig(await readJson(configSource), configSource.name);
  return {
    config,
    weights: await openCheckpoint(
      from.filter((source) => !isConfig(source)),
      { signal },
    ),
  };
}

async function findPacked(
  weights: TensorFile,
  containers: readonly PackedContainer<PackedMatrix>[],
  signal: AbortSignal | undefined,
): Promise<Map<string, Packed>> {
  const found = new Map<string, Packed>();
  for (const container of containers) {
    for (const [name, info] of await container.find(weights, { signal }))
      found.set(name, { container, info });
  }
  return found;
}

/** Which tensor of the file is which parameter: path to name. */
function matchWeights(
  config: OpenElmConfig,
  { tensors }: TensorFile,
  packed: ReadonlyMap<string, Packed>,
): Map<string, string> {
  const problems: string[] = [];
  const names = new Map<string, string>();
  const used = new Set<string>();
  for (const { path, shape } of parameterShapes(config)) {
    const published = path.startsWith("classifier.")
      ? path.replace("classifier", "lm_head")
      : `transformer.${path}`;
    const name = [published, path].find((candidate) => tensors.has(candidate) || packed.has(candidate));
    const matrix = name === undefined ? undefined : packed.get(name)?.info;
    const tensor = name === undefined ? undefined : tensors.get(name);
    const info = matrix ?? tensor;
    if (name === undefined || !info) {
      const parts = [...tensors.keys()].filter((key) => key.startsWith(`${published}.`));
      for (const part of parts) used.add(part);
      problems.push(
        parts.length > 0
          ? `${published} is packed (${parts.join(", ")}), expected its container: pass it in \`packed\``
          : `${published} is missing, expected [${shape}]`,
      );
      continue;
    }
    for (const entry of matrix?.entries ?? [name]) used.add(entry);
    names.set(path, name);
    const fits = info.shape.length === shape.length && info.shape.every((side, i) => side === shape[i]);
    if (!fits) problems.push(`${name} is [${info.shape}], expected [${shape}]${explain(config, path)}`);
    if (tensor && !matrix && !weightDtypes.includes(tensor.dtype))
      problems.push(`${name} is ${tensor.dtype}, expected F32, F16 or BF16`);
  }
  for (const name of tensors.keys()) {
    if (!used.has(name) && !isHarmless(config, name)) problems.push(`${name} is not part of this model`);
  }
  if (problems.length > 0) {
    throw new CheckpointError(
      `loadOpenElm: the weights do not fit config.json:\n  ${problems.join("\n  ")}\nTake both files from one model.`,
    );
  }
  return names;
}

/** For which widths the shape is expected. */
function explain({ layers, headDim }: OpenElmConfig, path: string): string {
  const layer = layers[Number(/^layers\.(\d+)\./.exec(path)?.[1] ?? -1)];
  if (!layer) return "";
  if (path.includes(".attn.")) {
    return ` for ${layer.numQueryHeads} query and ${layer.numKvHeads} key-value heads of ${headDim}`;
  }
  return path.includes(".ffn.") ? ` for a feed-forward width of ${layer.ffnDim}` : "";
}

/** The remote code of untied models saves a second head that it never uses. */
function isHarmless(config: OpenElmConfig, name: string): boolean {
  return !config.tied && name === "transformer.classifier.weight";
}
