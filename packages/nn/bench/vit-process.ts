// What vit.bench.ts runs in processes of their own: vit-process.ts ours|onnx THREADS
import { wasm } from "@corenet/backend-wasm";
import { Rng } from "@corenet/core";
import { createVit, type VitParams, vit, vitConfig } from "@corenet/nn";
import {
  disposeTree,
  readData,
  type Tensor,
  takeData,
  tensor,
  treeEntries,
  useBackend,
} from "@corenet/tensor";
import { env, InferenceSession, Tensor as OnnxTensor } from "onnxruntime-web";
import { vitModel } from "../../../tools/bench/peers/vit-onnx.ts";
import { serveRuns } from "../../../tools/bench/runner.ts";
import { BASE } from "./vit-base.ts";

const SIDE = BASE.imageSize;

const [, , who, threads] = process.argv;
const config = vitConfig(BASE);
await useBackend(wasm({ threads: who === "ours" ? Number(threads) : 1 }));
const params = await createVit(config, new Rng(1));
const pixels = Float32Array.from({ length: SIDE * SIDE * 3 }, (_, i) => Math.sin(i * 12.9898));
const classify = who === "ours" ? ours() : await onnx(params, Number(threads));

serveRuns(async () => {
  const start = performance.now();
  const logits = await classify();
  return { ms: performance.now() - start, values: Array.from(logits) };
});

function ours(): () => Promise<Float32Array> {
  const image = tensor(pixels, [1, SIDE, SIDE, 3]);
  return () => takeData(vit(image, params, config));
}

/** onnxruntime-web on wasm, with the same weights. */
async function onnx(weights: VitParams, numThreads: number): Promise<() => Promise<Float32Array>> {
  const model = vitModel({ ...config, imageSize: SIDE }, await valuesOf(weights));
  disposeTree(weights);
  env.wasm.numThreads = numThreads;
  const session = await InferenceSession.create(model, { executionProviders: ["wasm"] });
  const planes = Float32Array.from(
    pixels,
    (_, i) => pixels[(i % SIDE ** 2) * 3 + Math.floor(i / SIDE ** 2)] ?? 0,
  );
  const image = new OnnxTensor("float32", planes, [1, 3, SIDE, SIDE]);
  return async () => {
    const { logits } = await session.run({ image });
    return (await logits?.getData()) as Float32Array;
  };
}

/** Copies, by path. */
async function valuesOf(tree: VitParams): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [path, leaf] of treeEntries<Tensor>(tree)) values.set(path, await readData(leaf));
  return values;
}
