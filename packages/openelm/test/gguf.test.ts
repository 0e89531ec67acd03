// What we write, llama.cpp reads: the reference's file tensor by tensor, and the native engine's own log-probabilities.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Rng } from "@corenet/core";
import { bytesSink } from "@corenet/formats";
import {
  createOpenElm,
  exportGguf,
  type GgufVocabulary,
  type OpenElm,
  openElmConfig,
} from "@corenet/openelm";
import {
  type MatrixFormat,
  mapTree,
  type ParamTree,
  packMatrix,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  takeData,
  tensor,
  treeEntries,
} from "@corenet/tensor";
import { GGMLQuantizationType, gguf } from "@huggingface/gguf";
import { getLlama, type Llama, LlamaLogLevel, type Token } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { loadTiny } from "./models.ts";

const goldenPath = fileURLToPath(new URL("../../../golden/openelm/tiny.gguf", import.meta.url));
const golden = await gguf(goldenPath, { allowLocalFile: true });
const keys = new Map<string, unknown>(Object.entries(golden.metadata));
const vocabulary: GgufVocabulary = {
  tokens: keys.get("tokenizer.ggml.tokens") as string[],
  scores: keys.get("tokenizer.ggml.scores") as number[],
  types: keys.get("tokenizer.ggml.token_type") as number[],
};
const ids = [1, 61, 13, 35, 51, 16, 4, 40, 96, 0];

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "openelm-gguf-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Every tensor of a file by its name: type, axes and bytes. */
async function tensorsOf(
  path: string,
): Promise<Map<string, { dtype: number; shape: number[]; bytes: Buffer }>> {
  const file = await readFile(path);
  const { tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true });
  const sizes: Readonly<Record<number, number>> = { 0: 4, 1: 2, 8: 34 / 32, 2: 18 / 32 };
  return new Map(
    tensorInfos.map(({ name, dtype, shape, offset }) => {
      const start = Number(tensorDataOffset + offset);
      const size = shape.reduce((n, side) => n * Number(side), 1) * (sizes[dtype] ?? 0);
      return [name, { dtype, shape: shape.map(Number), bytes: file.subarray(start, start + size) }];
    }),
  );
}

/** log p of every token after each of `ids`, by llama.cpp with a float32 cache [T][V]. */
async function nativeLogProbs(llama: Llama, path: string): Promise<Map<number, number>[]> {
  await using model = await llama.loadModel({ modelPath: path });
  await using context = await model.createContext({
    contextSize: 32,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
  });
  const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  const generateNext = { probabilities: true, options };
  const outputs = await context
    .getSequence()
    .controlledEvaluate(ids.map((id) => [id as Token, { generateNext }]));
  return outputs.map((output) => {
    const entries = [...(output?.next.probabilities ?? [])];
    return new Map(entries.map(([id, p]) => [id, Math.log(p)]));
  });
}

/** The largest difference of log-probabilities, ours and llama.cpp's. */
async function largestDifference(model: OpenElm, native: readonly Map<number, number>[]): Promise<number> {
  const tokens = tensor(Int32Array.from(ids), [1, ids.length]);
  const logits = await takeData(model.forward(tokens));
  const V = model.vocabSize;
  let worst = 0;
  native.forEach((row, t) => {
    const ours = logits.subarray(t * V, (t + 1) * V);
    const top = Math.max(...ours);
    const lse = top + Math.log(ours.reduce((sum, x) => sum + Math.exp(x - top), 0));
    expect(row.size).toBe(V);
    for (const [id, logProb] of row)
      worst = Math.max(worst, Math.abs(logProb - ((ours[id] as number) - lse)));
  });
  return worst;
}

/** The model with every matrix in a storage format. */
async function packed(model: OpenElm, format: MatrixFormat): Promise<OpenElm> {
  const matrices = new Map(
    await Promise.all(
      [...treeEntries<Tensor>(model.params as TensorTree)]
        .filter(([, leaf]) => leaf.rank === 2)
        .map(async ([path, leaf]) => [path, await packMatrix(leaf as Tensor2D, format)] as const),
    ),
  );
  const leaves = mapTree<Tensor, Tensor>(
    model.params as TensorTree,
    (leaf, path) => (matrices.get(path) as never) ?? leaf,
  );
  return model.withParams(leaves as ParamTree);
}

/** A random model whose rows are all whole blocks of 32, so that every matrix is quantized in the file. */
const ofWholeBlocks = () =>
  createOpenElm(
    openElmConfig({
      ...{ modelDim: 64, headDim: 16, numLayers: 3, groupSize: 2, ffnDivisor: 32 },
      ...{ qkvMultipliers: [0.5, 1], ffnMultipliers: [1, 2], vocabSize: 97, contextLength: 32 },
    }),
    { rng: new Rng(5) },
  );

onBackend("wasm", () => {
  test("holds the tensors of the reference's file, byte for byte, and its keys", async () => {
    const path = join(folder, "tiny.gguf");
    await exportGguf(await loadTiny(), path, { dtype: "f32", vocabulary, name: "tiny OpenELM" });
    expect(await tensorsOf(path)).toEqual(await tensorsOf(goldenPath));
    const { metadata } = await gguf(path, { allowLocalFile: true });
    expect(metadata).toEqual(golden.metadata);
  });

  test("llama.cpp loads it and gives our log-probabilities", async () => {
    const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
    const model = await loadTiny();
    const f32 = join(folder, "f32.gguf");
    await exportGguf(model, f32, { dtype: "f32", vocabulary });
    expect(await largestDifference(model, await nativeLogProbs(llama, f32))).toBeLessThan(1e-5);
    const f16 = join(folder, "f16.gguf");
    await exportGguf(model, f16, { dtype: "f16", vocabulary });
    // it rounds activations to f16 as well
    expect(
      await largestDifference(await packed(model, "f16"), await nativeLogProbs(llama, f16)),
    ).toBeLessThan(9e-3);
    const q8 = join(folder, "q8_0.gguf"); // its feed-forward and most projections stay f16: rows of 24, 40, 48
    await exportGguf(model, q8, { dtype: "q8_0", vocabulary });
    expect(await largestDifference(model, await nativeLogProbs(llama, q8))).toBeLessThan(0.2);
    await llama.dispose();
  }, 60_000);

  test.each([
    ["q8_0", "int8", 0.1], // its activations have 8 bits, ours 16
    ["q4_0", "int4", 0.15],
  ] as const)(
    "llama.cpp's log-probabilities of %s are those of our %s",
    async (dtype, format, bound) => {
      const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
      const model = await ofWholeBlocks();
      const ours = await packed(model, format);
      const path = join(folder, `whole.${dtype}.gguf`);
      await exportGguf(ours, path, { dtype, vocabulary });
      const types = new Set([...(await tensorsOf(path)).values()].map((entry) => entry.dtype));
      expect(types).toEqual(
        new Set([GGMLQuantizationType.F32, GGMLQuantizationType[dtype === "q8_0" ? "Q8_0" : "Q4_0"]]),
      );
      const native = await nativeLogProbs(llama, path);
      await llama.dispose();
      expect(await largestDifference(ours, native)).toBeLessThan(bound);
      expect(await largestDifference(model, native)).toBeGreaterThan(bound); // the weights as they were differ more
    },
    60_000,
  );

  test("quantized matrices have llama.cpp's types where rows are whole blocks", async () => {
    const path = join(folder, "q4_0.gguf");
    await exportGguf(await loadTiny(), path, { dtype: "q4_0", vocabulary });
    const tensors = await tensorsOf(path);
    expect(tensors.get("blk.1.attn_output.weight")?.dtype).toBe(GGMLQuantizationType.Q4_0); // rows of 64
    expect(tensors.get("blk.0.ffn_gate.weight")?.dtype).toBe(GGMLQuantizationType.F16); // rows of 48
    expect(tensors.get("output_norm.weight")?.dtype).toBe(GGMLQuantizationType.F32);
  });

  test("leaves out what the vocabulary does not name", async () => {
    const path = join(folder, "cut.gguf");
    const tokens = vocabulary.tokens.slice(0, 90);
    await exportGguf(await loadTiny(), path, { dtype: "f32", vocabulary: { tokens } });
    expect((await tensorsOf(path)).get("token_embd.weight")?.shape).toEqual([48, 90]);
    const { metadata } = await gguf(path, { allowLocalFile: true });
    const types = Object.entries(metadata).find(([key]) => key === "tokenizer.ggml.token_type")?.[1];
    expect(types).toEqual([2, 3, 3, 6, ...Array(86).fill(1)]);
  });

  test("refuses vocabularies that llama.cpp would not load", async () => {
    const model = await loadTiny();
    const write = (tokens: string[], more = {}) =>
      exportGguf(model, bytesSink(), { vocabulary: { tokens, ...more } });
    await expect(write([])).rejects.toThrow("has 0 tokens, expected 1 to 97");
    await expect(write(Array(98).fill("a"))).rejects.toThrow("has 98 tokens");
    await expect(write(["a", "▁"])).rejects.toThrow("lacks <0x0A>, which llama.cpp");
    await expect(write(["<0x0A>", "▁"], { scores: [1] })).rejects.toThrow("1 scores, expected 2");
  });
});
