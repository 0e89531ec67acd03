// What native-products.bench.ts runs in processes of their own: product-process.ts ours|native FORMAT THREADS M N K
import { wasm } from "@corenet/backend-wasm";
import { type MatrixFormat, packMatrix, takeData, tensor, useBackend } from "@corenet/tensor";
import { onnxProduct } from "../../../tools/bench/peers/onnx-mat-mul.ts";
import { serveRuns } from "../../../tools/bench/runner.ts";

const [, , who, format = "f32", ...sizes] = process.argv;
const [threads = 1, M = 1, N = 1, K = 1] = sizes.map(Number);
const REPEATS = M === 1 ? 20 : 1; // a product with one row is short

const product = who === "ours" ? await ourProduct() : await nativeProduct();
serveRuns(async () => {
  const start = performance.now();
  for (let i = 0; i < REPEATS; i++) await product();
  return { ms: (performance.now() - start) / REPEATS };
});

async function ourProduct(): Promise<() => Promise<unknown>> {
  await useBackend(wasm({ threads }));
  const noise = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i));
  const weight = await packMatrix(tensor(noise(N * K), [N, K]), format as MatrixFormat);
  const x = tensor(noise(M * K), [M, K]);
  return () => takeData(weight.multiply(x));
}

async function nativeProduct(): Promise<() => Promise<unknown>> {
  return onnxProduct({ format: format as "f32" | "int8" | "int4", M, N, K, threads });
}
