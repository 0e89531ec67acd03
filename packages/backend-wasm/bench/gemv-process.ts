// What gemv.bench.ts runs in processes of their own: gemv-process.ts transposed|plain THREADS
import { wasm } from "@corenet/backend-wasm";
import { matMul, takeData, tensor, useBackend } from "@corenet/tensor";
import { memoryReader } from "../../../tools/bench/floor.ts";
import { serveRuns } from "../../../tools/bench/runner.ts";

const SIDE = 4096;
const [, , form, threads] = process.argv;
await useBackend(wasm({ threads: Number(threads) }));
const noise = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i));
const row = tensor(noise(SIDE), [1, SIDE]);
const matrix = tensor(noise(SIDE ** 2), [SIDE, SIDE]);
const read = await memoryReader(4 * SIDE ** 2);

serveRuns(async (what) => {
  const start = performance.now();
  if (what === "read") read();
  else await takeData(matMul(row, matrix, { transposeB: form === "transposed" }));
  return { ms: performance.now() - start };
});
