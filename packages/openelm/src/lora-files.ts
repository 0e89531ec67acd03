// Adapters as the PEFT library keeps them: adapter_config.json and adapter_model.safetensors.
import { CheckpointError, throwIfAborted } from "@corenet/core";
import {
  type ByteSource,
  borrowedSource,
  fileSink,
  makeFolder,
  openModelFiles,
  openSafetensors,
  readJson,
  type SafetensorsEntry,
  type TensorFile,
  toFloat32,
  writeJson,
  writeSafetensors,
} from "@corenet/formats";
import type { LoraParams, LoraScaling } from "@corenet/nn";
import { disposeTree, readData, type Tensor, tensor } from "@corenet/tensor";

const prefix = "base_model.model.transformer.";
const weightsName = "adapter_model.safetensors";

/** PEFT's name of each part, behind the module's. */
const parts = {
  loraA: "lora_A.weight",
  loraB: "lora_B.weight",
  magnitude: "lora_magnitude_vector",
  embeddingA: "lora_embedding_A",
  embeddingB: "lora_embedding_B",
} as const;
type Part = keyof typeof parts;

export interface SaveLoraOptions {
  /** The model that the adapters belong to, such as "apple/OpenELM-270M". @default "" */
  baseModel?: string;
  signal?: AbortSignal;
}

export interface LoadedLora {
  /** The caller owns them. */
  readonly lora: LoraParams;
  readonly scaling: LoraScaling;
}

/**
 * Writes adapters as PEFT's folder.
 *
 * @param folder - made if it is not there (Node)
 * @throws IoError when it cannot be written
 */
export async function saveLora(
  lora: LoraParams,
  scaling: LoraScaling,
  folder: string,
  options: SaveLoraOptions = {},
): Promise<void> {
  const { baseModel = "", signal } = options;
  throwIfAborted(signal);
  await makeFolder(folder);
  const entries: SafetensorsEntry[] = [];
  for (const [path, adapter] of Object.entries(lora)) {
    for (const [part, leaf] of Object.entries(adapter) as [Part, Tensor][]) {
      const name = `${prefix}${path.replace(/\.weight$/, "")}.${parts[part]}`;
      entries.push({ name, dtype: "F32", shape: leaf.shape, data: () => readData(leaf) });
    }
  }
  await writeSafetensors(await fileSink(`${folder}/${weightsName}`), entries, {
    metadata: { format: "pt" },
    signal,
  });
  const modules = Object.keys(lora).map(
    (path) =>
      path
        .replace(/\.weight$/, "")
        .split(".")
        .at(-1) as string,
  );
  await writeJson(`${folder}/adapter_config.json`, {
    ...{ peft_type: "LORA", task_type: "CAUSAL_LM", base_model_name_or_path: baseModel, bias: "none" },
    ...{ r: scaling.rank, lora_alpha: scaling.alpha, lora_dropout: 0, fan_in_fan_out: false },
    ...{ use_rslora: scaling.rankStabilized ?? false, inference_mode: true },
    use_dora: Object.values(lora).some((adapter) => "magnitude" in adapter),
    target_modules: [...new Set(modules)].sort(),
  });
}

/**
 * Reads a folder that PEFT or `saveLora` wrote.
 *
 * @param from - a folder (Node), `hf:owner/name`, or sources, which are closed
 * @throws CheckpointError when files are missing, or hold something else than adapters of this kind
 * @throws FormatError when a file is broken
 */
export async function loadLora(
  from: string | readonly ByteSource[],
  options: { signal?: AbortSignal } = {},
): Promise<LoadedLora> {
  const { signal } = options;
  const files = ["adapter_config.json", weightsName];
  const sources = typeof from === "string" ? await openModelFiles(from, { ...options, files }) : from;
  try {
    const named = (name: string) => {
      const found = sources.find((source) => source.name.split(/[\\/]/).at(-1) === name);
      if (found) return found;
      throw new CheckpointError(
        `loadLora: got ${sources.map((source) => source.name).join(", ") || "nothing"}, expected ${name} among them. ` +
          "Name the folder that PEFT saved.",
      );
    };
    const config = named("adapter_config.json");
    const scaling = parseScaling(await readJson(borrowedSource(config)), config.name);
    const weights = await openSafetensors(named(weightsName), signal ? { signal } : {});
    return { lora: await readAdapters(weights, signal), scaling };
  } finally {
    await Promise.allSettled(sources.map((source) => source.close()));
  }
}

function parseScaling(json: unknown, name: string): LoraScaling {
  const fields = typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
  const { peft_type: type, r: rank, lora_alpha: alpha, use_rslora: rankStabilized = false } = fields;
  const fits = type === "LORA" && typeof rank === "number" && rank >= 1 && typeof alpha === "number";
  if (fits) return { rank, alpha, rankStabilized: rankStabilized === true };
  throw new CheckpointError(
    `loadLora: ${name} says peft_type ${JSON.stringify(type)}, r ${JSON.stringify(rank)}, lora_alpha ` +
      `${JSON.stringify(alpha)}, expected "LORA" and two numbers. Other kinds of adapters are not read.`,
    { path: name },
  );
}

async function readAdapters(weights: TensorFile, signal: AbortSignal | undefined): Promise<LoraParams> {
  const adapters: Record<string, Partial<Record<Part, Tensor>>> = {};
  const unknown: string[] = [];
  try {
    for (const [name, { dtype, shape }] of weights.tensors) {
      throwIfAborted(signal);
      const plain = name
        .replace(prefix, "")
        .replace(/^base_model\.model\./, "")
        .replace(/\.default(?=\.|$)/, "");
      const part = (Object.keys(parts) as Part[]).find((key) => plain.endsWith(`.${parts[key]}`));
      if (!part) {
        unknown.push(name);
        continue;
      }
      const path = `${plain.slice(0, -parts[part].length - 1)}.weight`;
      const values = toFloat32(dtype, await weights.read(name, signal ? { signal } : {}));
      adapters[path] = { ...adapters[path], [part]: tensor(values, shape) };
    }
    const halves = Object.entries(adapters).filter(
      ([, { loraA, loraB, embeddingA, embeddingB }]) => !((loraA && loraB) || (embeddingA && embeddingB)),
    );
    if (unknown.length === 0 && halves.length === 0) return adapters as LoraParams;
    const wrong = [
      ...unknown.map((name) => `${name} is no part of an adapter`),
      ...halves.map(([path]) => `${path} has one of its two matrices`),
    ];
    throw new CheckpointError(
      `loadLora: the file cannot be used:\n  ${wrong.join("\n  ")}\nSave it again with PEFT.`,
    );
  } catch (error) {
    for (const adapter of Object.values(adapters))
      disposeTree(adapter as { readonly [part: string]: Tensor });
    throw error;
  }
}
