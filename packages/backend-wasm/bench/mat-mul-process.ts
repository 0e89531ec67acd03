// What mat-mul.bench.ts runs in processes of their own: mat-mul-process.ts PRODUCT THREADS
// The work "kept" leaves the product on the heap, where it is complete when matMul returns; else it is read back, too.
import { wasm } from "@corenet/backend-wasm";
import { matMul, type Tensor, takeData, tensor, useBackend } from "@corenet/tensor";
import { serveRuns } from "../../../tools/bench/runner.ts";

/** A product, as tfjs and we are asked for it. */
export interface Product {
  a: readonly number[];
  b: readonly number[];
  transposeA?: boolean;
  transposeB?: boolean;
}

const [product = "", threads] = process.argv.slice(2);
const { a, b, ...options }: Product = JSON.parse(product);
await useBackend(wasm({ threads: Number(threads) }));
const [left, right] = [uniform(a), uniform(b)];
serveRuns(async (what) => {
  const start = performance.now();
  const result = matMul(left, right, options);
  if (what === "kept") result.dispose();
  else await takeData(result);
  return { ms: performance.now() - start };
});

/** Values around 0, as weights and activations are: no denormals. */
function uniform(shape: readonly number[]): Tensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return tensor(
    Float32Array.from({ length: size }, () => Math.random() * 2 - 1),
    shape,
  );
}
