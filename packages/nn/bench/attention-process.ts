// What attention.bench.ts runs in processes of their own: attention-process.ts fused|composed THREADS WORK
import { wasm } from "@corenet/backend-wasm";
import { attention } from "@corenet/nn";
import {
  activeBackend,
  add,
  loadKernels,
  matMul,
  mul,
  softmax,
  sum,
  type Tensor,
  type Tensor4D,
  takeData,
  tensor,
  tidy,
  useBackend,
  valueAndGrad,
} from "@corenet/tensor";
import { type AttentionWork, attentionValues } from "../../../tools/bench/peers/attention-workload.ts";
import { serveRuns } from "../../../tools/bench/runner.ts";

type Inputs = { q: Tensor4D; k: Tensor4D; v: Tensor4D };

const [, , kind, threads, text = "{}"] = process.argv;
const { heads, length, headDim, causal, backward }: AttentionWork = JSON.parse(text);
await useBackend(wasm({ threads: Number(threads) }));
await loadKernels();

const shape = [1, heads, length, headDim] as const;
const input = (seed: number) => tensor(attentionValues(heads * length * headDim, seed), shape) as Tensor4D;
const inputs: Inputs = { q: input(1), k: input(2), v: input(3) };
const dy = input(4);
const mask = kind === "composed" && causal ? causalMask(length) : undefined;
const compute = kind === "fused" ? fused : composed;
const heapBefore = heapBytes();

serveRuns(async () => {
  const start = performance.now();
  const y = backward ? gradients() : tidy(() => compute(inputs));
  const values = await takeData(y);
  return { ms: performance.now() - start, value: values.at(-1) as number, bytes: heapBytes() - heapBefore };
});

function fused({ q, k, v }: Inputs): Tensor4D {
  return attention(q, k, v, { causal });
}

/** The same, op by op. */
function composed({ q, k, v }: Inputs): Tensor4D {
  const scores = mul(matMul(q, k, { transposeB: true }), headDim ** -0.5); // [1, H, T, T]
  const visible = mask ? add(scores, mask) : scores;
  return matMul(softmax(visible), v) as Tensor4D;
}

/** The gradient of q; those of k and v are computed, too. */
function gradients(): Tensor {
  const { value, grads } = valueAndGrad((given: Inputs) => sum(mul(compute(given), dy)), inputs);
  for (const rest of [value, grads.k, grads.v]) rest.dispose();
  return grads.q;
}

function causalMask(side: number): Tensor {
  const values = new Float32Array(side * side);
  for (let row = 0; row < side; row++) values.fill(-1e9, row * side + row + 1, (row + 1) * side);
  return tensor(values, [side, side]);
}

function heapBytes(): number {
  const memory = activeBackend().wasm?.memory;
  if (!memory) throw new Error("attention-process: the wasm backend gives no host. Did it start?");
  return memory.buffer.byteLength;
}
