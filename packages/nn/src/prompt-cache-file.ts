// A prompt that was read once, as a file: safetensors with the ids and every layer's keys and values.
import { CheckpointError } from "@corenet/core";
import {
  type ByteSink,
  type ByteSource,
  fileSink,
  fileSource,
  openSafetensors,
  type SafetensorsEntry,
  type TensorFile,
  writeSafetensors,
} from "@corenet/formats";
import { disposeTree, readData, slice, type Tensor4D, tensor, tidy } from "@corenet/tensor";
import type { CausalLm } from "./causal-lm.ts";
import { PromptCache } from "./prompt-cache.ts";

const format = "corenet-prompt-cache";

/**
 * Writes what a prompt cache holds: a warm prompt for the next process.
 *
 * @param to - a path (Node), or a sink
 * @throws IoError when it cannot be written
 */
export async function savePromptCache(promptCache: PromptCache, to: string | ByteSink): Promise<void> {
  const { cache, ids } = promptCache;
  const entries: SafetensorsEntry[] = [
    { name: "ids", dtype: "I32", shape: [ids.length], data: Int32Array.from(ids) },
  ];
  for (const [layer, { numKvHeads, headDim }] of cache.shapes.entries()) {
    for (const part of ["keys", "values"] as const) {
      const data = async () => {
        const used = tidy(() => slice(cache.layer(layer)[part], [0, 0, 0, 0], [-1, -1, ids.length, -1]));
        try {
          return await readData(used);
        } finally {
          used.dispose();
        }
      };
      const shape = [1, numKvHeads, ids.length, headDim];
      entries.push({ name: `layers.${layer}.${part}`, dtype: "F32", shape, data });
    }
  }
  const metadata = { format, rotated: String(cache.rotated) };
  await writeSafetensors(typeof to === "string" ? await fileSink(to) : to, entries, { metadata });
}

/**
 * Reads a prompt cache for the model that it was written with. Whether the weights are the same nobody checks.
 *
 * @param from - a path (Node), or a source, which is closed
 * @param options - `capacity` in tokens; as many as the model's context where nothing is said
 * @throws CheckpointError when the file is no prompt cache, or of a model with other heads
 * @throws FormatError when the file is broken
 */
export async function loadPromptCache(
  model: CausalLm,
  from: string | ByteSource,
  options: { capacity?: number } = {},
): Promise<PromptCache> {
  const file = await openSafetensors(typeof from === "string" ? await fileSource(from) : from);
  try {
    const ids = await checkedIds(file, model);
    const promptCache = new PromptCache(model, options);
    try {
      promptCache.cache.checkRoom(ids.length);
      for (const [layer, { numKvHeads, headDim }] of model.kvShapes.entries()) {
        const shape = [1, numKvHeads, ids.length, headDim] as const;
        const read = async (part: "keys" | "values") =>
          tensor((await file.read(`layers.${layer}.${part}`)) as Float32Array, shape) as Tensor4D;
        const kv = { keys: await read("keys"), values: await read("values") };
        if (ids.length > 0) promptCache.cache.append(layer, kv);
        disposeTree({ ...kv });
      }
      promptCache.commit(ids);
      return promptCache;
    } catch (error) {
      promptCache.dispose();
      throw error;
    }
  } finally {
    await file.close();
  }
}

async function checkedIds(file: TensorFile, model: CausalLm): Promise<number[]> {
  const refuse = (what: string) =>
    new CheckpointError(`loadPromptCache: ${what}. Read the prompt again with this model and save it.`);
  const info = file.tensors.get("ids");
  if (file.metadata.get("format") !== format || info?.dtype !== "I32") {
    throw refuse(`the file says it is ${JSON.stringify(file.metadata.get("format"))}, expected "${format}"`);
  }
  if (file.metadata.get("rotated") !== "true") throw refuse("its keys are stored unrotated");
  const [T = 0] = info.shape;
  for (const [layer, { numKvHeads, headDim }] of model.kvShapes.entries()) {
    for (const part of ["keys", "values"]) {
      const found = file.tensors.get(`layers.${layer}.${part}`);
      const wanted = [1, numKvHeads, T, headDim];
      if (found?.dtype === "F32" && found.shape.join() === wanted.join()) continue;
      throw refuse(
        `layers.${layer}.${part} is ${found ? `${found.dtype} [${found.shape}]` : "missing"}, expected F32 [${wanted}]`,
      );
    }
  }
  const ids = Array.from((await file.read("ids")) as Int32Array);
  const wrong = ids.find((id) => id < 0 || id >= model.vocabSize);
  if (wrong === undefined) return ids;
  throw refuse(`it holds the token ${wrong}, expected [0, ${model.vocabSize})`);
}
