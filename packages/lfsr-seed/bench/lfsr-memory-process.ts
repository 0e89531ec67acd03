// What lfsr-memory.bench.ts measures, in a process of its own: lfsr-memory-process.ts HOW FOLDER
import { wasm } from "@corenet/backend-wasm";
import { lfsrContainer } from "@corenet/lfsr-seed";
import { generate } from "@corenet/nn";
import { loadOpenElm } from "@corenet/openelm";
import { matMul, ones, type Tensor2D, takeData, useBackend } from "@corenet/tensor";
import { measureInChild } from "../../../tools/bench/child.ts";

const [how, folder = ""] = process.argv.slice(2);
await useBackend(wasm());

await measureInChild(async () => {
  if (how === "nothing") return startThreads(); // the process itself, with the backend and its threads
  const model = await loadOpenElm(folder, { storage: "as-is", packed: [lfsrContainer()] });
  if (how === "load") return model;
  const ids: number[] = [];
  for await (const id of generate(model, [1, 2, 3, 4], { maxNewTokens: 4 })) ids.push(id);
  return { model, ids };
});

/** Threads start with the first large op. */
async function startThreads(): Promise<Float32Array> {
  const a = ones<Tensor2D>([256, 256]);
  return takeData(matMul(a, a));
}
