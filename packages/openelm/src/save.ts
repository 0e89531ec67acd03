import { encodeBfloat16, encodeFloat16, type OnProgress, throwIfAborted } from "@corenet/core";
import {
  type Dtype,
  fileSink,
  makeFolder,
  type PackedContainer,
  type SafetensorsEntry,
  type TensorData,
  writeJson,
  writeSafetensors,
} from "@corenet/formats";
import {
  isTensor,
  type PackedMatrix,
  range,
  readData,
  type Tensor,
  type Tree,
  takeData,
  treeEntries,
} from "@corenet/tensor";
import { toConfigJson } from "./config-json.ts";
import type { OpenElm } from "./open-elm.ts";

export interface SaveOptions {
  /** How weights are written; f16 and bf16 round to the nearest. @default "float32" */
  dtype?: "float32" | "float16" | "bfloat16";
  /** How packed matrices are written, such as `lfsrContainer()`: as they are. Others are unpacked. @default none */
  packed?: readonly PackedContainer<PackedMatrix>[];
  signal?: AbortSignal;
  onProgress?: OnProgress;
}

const written: Readonly<Record<NonNullable<SaveOptions["dtype"]>, Dtype>> = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
};

/**
 * Writes a Hugging Face folder: config.json, generation_config.json and model.safetensors under the published names,
 * which transformers' remote code, mlx-lm and llama.cpp's converter read. Each file appears whole or not at all.
 *
 * @param folder - made if it is not there (Node)
 * @throws IoError when it cannot be written; files of an earlier save stay
 */
export async function saveOpenElm(model: OpenElm, folder: string, options: SaveOptions = {}): Promise<void> {
  const { dtype = "float32", packed = [], signal, onProgress } = options;
  throwIfAborted(signal);
  await makeFolder(folder);
  const entries = await weightEntries(model, dtype, packed);
  await writeSafetensors(await fileSink(`${folder}/model.safetensors`), entries, {
    metadata: { format: "pt" },
    signal,
    onProgress,
  });
  await writeJson(`${folder}/generation_config.json`, {
    _from_model_config: true,
    bos_token_id: 1,
    eos_token_id: 2,
    transformers_version: "4.39.3",
  });
  await writeJson(`${folder}/config.json`, toConfigJson(model.config, dtype));
}

/** Every weight under its published name, read from the device when its turn comes. */
async function weightEntries(
  model: OpenElm,
  dtype: NonNullable<SaveOptions["dtype"]>,
  packed: readonly PackedContainer<PackedMatrix>[],
): Promise<SafetensorsEntry[]> {
  const entries: SafetensorsEntry[] = [];
  for (const [path, leaf] of treeEntries(model.params as Tree<Tensor | PackedMatrix>)) {
    const name = path.startsWith("classifier.")
      ? path.replace("classifier", "lm_head")
      : `transformer.${path}`;
    const kept = isTensor(leaf) ? undefined : await packedEntries(name, leaf, packed);
    const data = async () => encode(await valuesOf(leaf), dtype);
    entries.push(...(kept ?? [{ name, dtype: written[dtype], shape: leaf.shape, data }]));
  }
  return entries;
}

/** The entries of the first container that knows the matrix. */
function packedEntries(
  name: string,
  matrix: PackedMatrix,
  packed: readonly PackedContainer<PackedMatrix>[],
): Promise<SafetensorsEntry[]> | undefined {
  for (const container of packed) {
    const entries = container.entries(name, matrix);
    if (entries) return entries;
  }
  return undefined;
}

/** A weight as float32, read from the device. */
export async function valuesOf(leaf: Tensor | PackedMatrix): Promise<Float32Array> {
  if (isTensor(leaf)) return readData(leaf);
  const ids = range(0, leaf.shape[0]);
  try {
    return await takeData(leaf.unpackRows(ids));
  } finally {
    ids.dispose();
  }
}

function encode(values: Float32Array, dtype: NonNullable<SaveOptions["dtype"]>): TensorData {
  if (dtype === "float16") return encodeFloat16(values);
  return dtype === "bfloat16" ? encodeBfloat16(values) : values;
}
