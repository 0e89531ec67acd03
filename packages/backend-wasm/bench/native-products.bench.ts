import { availableParallelism } from "node:os";
import type { Bench } from "../../../tools/bench/harness.ts";
import { Runner } from "../../../tools/bench/runner.ts";

const SHAPES = [
  { work: "decode", M: 1, N: 32_000, K: 1280 },
  { work: "decode", M: 1, N: 4096, K: 4096 },
  { work: "prefill", M: 512, N: 4096, K: 1280 },
] as const;
const FORMATS = { f32: 32, int8: 8.5, int4: 4.5 } as const; // bits a number, ours

const bench: Bench = {
  name: "native-products",
  description:
    "Products with weights on our wasm backend and on onnxruntime-node (native: MatMul with pre-packed weights, MatMulNBits " +
    "with int8 activations), every result read back. It decides whether a native backend is worth having.",

  async run({ compare }) {
    const script = new URL("product-process.ts", import.meta.url);
    const counts = [...new Set([1, Math.min(8, availableParallelism())])];
    for (const { work, M, N, K } of SHAPES) {
      for (const [format, bits] of Object.entries(FORMATS)) {
        for (const threads of counts) {
          const size = [threads, M, N, K].map(String);
          await using ours = await Runner.start(script, ["ours", format, ...size]);
          await using native = await Runner.start(script, ["native", format, ...size]);
          await compare({
            name: `${work}, ${format}, [${M}, ${K}] x [${N}, ${K}]T, ${threads} thread${threads > 1 ? "s" : ""}`,
            ours: ours.contender("ours"),
            peers: [native.contender("onnxruntime-node")],
            warmup: 3,
            rounds: 12,
            work: { flops: 2 * M * N * K, bytes: (N * K * bits) / 8 + 4 * M * (N + K) },
          });
        }
      }
    }
  },
};

export default bench;
