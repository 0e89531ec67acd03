import {
  CheckpointError,
  createProgress,
  decodeBfloat16,
  decodeFloat16,
  type OnProgress,
  throwIfAborted,
} from "@corenet/core";
import {
  type ByteSource,
  type Dtype,
  openCheckpoint,
  type PackedContainer,
  type PackedInfo,
  readJson,
  type TensorFile,
  type TensorInfo,
  toFloat32,
} from "@corenet/formats";
import {
  disposeTree,
  HalfMatrix,
  loadKernels,
  type PackedMatrix,
  type Tensor,
  tensor,
  tensorFromPieces,
} from "@corenet/tensor";
import { type OpenElmConfig, parseConfig } from "./config.ts";
import { OpenElm } from "./open-elm.ts";
import { buildParameters, type OpenElmParams, parameterShapes } from "./parameters.ts";

export interface LoadOptions {
  /** How matrices are kept: widened to float32, or in the 16 bits that the file has. @default "f32" */
  storage?: "f32" | "as-is";
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
 * @param from - a folder (Node), or sources named as its files are, which are closed at the end
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
    const packed = await findPacked(weights, containers, signal);
    const names = matchWeights(config, weights, packed);
    const bytesOf = (name: string) =>
      packed.get(name)?.info.byteLength ?? weights.tensors.get(name)?.byteLength ?? 0;
    const total = [...names.values()].reduce((sum, name) => sum + bytesOf(name), 0);
    const progress = createProgress({ phase: "load", unit: "bytes", total, onProgress });
    const leaves = new Map<string, Leaf>();
    try {
      for (const [path, name] of names) {
        throwIfAborted(signal);
        const container = packed.get(name)?.container;
        const leaf = container
          ? await container.read(weights, name, { signal })
          : await readLeaf(weights, name, storage, signal);
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
  { signal }: LoadOptions,
): Promise<{ config: OpenElmConfig; weights: TensorFile }> {
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
    if (tensor && !matrix && !["F32", "F16", "BF16", "F64"].includes(tensor.dtype))
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

async function readLeaf(
  weights: TensorFile,
  name: string,
  storage: "f32" | "as-is",
  signal: AbortSignal | undefined,
): Promise<Leaf> {
  const { dtype, shape } = weights.tensors.get(name) as TensorInfo;
  if (dtype === "F32") return tensorFromPieces(shape, "float32", weights.pieces(name, { signal }));
  const [rows, columns] = shape;
  if (storage === "as-is" && dtype !== "F64" && rows !== undefined && columns !== undefined) {
    return HalfMatrix.create(
      weights.pieces(name, { signal }),
      [rows, columns],
      dtype === "F16" ? "f16" : "bf16",
    );
  }
  if (dtype === "F64") return tensor(toFloat32(dtype, await weights.read(name, { signal })), shape);
  return tensorFromPieces(shape, "float32", widened(weights.pieces(name, { signal }), dtype));
}

/** Pieces of 16-bit numbers as pieces of float32, through one buffer. */
async function* widened(pieces: AsyncIterable<Uint8Array>, dtype: Dtype): AsyncGenerator<Uint8Array> {
  const decode = dtype === "F16" ? decodeFloat16 : decodeBfloat16;
  let buffer = new Float32Array(0);
  for await (const piece of pieces) {
    const halves = new Uint16Array(piece.buffer, piece.byteOffset, piece.length / 2);
    if (buffer.length < halves.length) buffer = new Float32Array(halves.length);
    const floats = decode(halves, buffer.subarray(0, halves.length));
    yield new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
  }
}
