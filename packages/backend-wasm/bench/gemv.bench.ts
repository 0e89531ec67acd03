import { availableParallelism } from "node:os";
import type { Bench } from "../../../tools/bench/harness.ts";
import { Runner } from "../../../tools/bench/runner.ts";

const SIDE = 4096; // 64 MiB, which no cache holds

const bench: Bench = {
  name: "gemv",
  description:
    "matMul of a row by a float32 matrix of 64 MiB on our wasm backend, against reading as many bytes front to back in the same " +
    "process and with one thread, which is also the floor.",

  async run({ compare }) {
    const script = new URL("gemv-process.ts", import.meta.url);
    const counts = [...new Set([1, Math.min(8, availableParallelism())])];
    for (const form of ["transposed", "plain"]) {
      for (const threads of counts) {
        await using product = await Runner.start(script, [form, String(threads)]);
        await compare({
          name: `[1, ${SIDE}] x [${SIDE}, ${SIDE}]${form === "transposed" ? "T" : ""}, ${threads} thread${threads > 1 ? "s" : ""}`,
          ours: product.contender("ours"),
          peers: [product.contender("reading 64 MiB, one thread", "read")],
          warmup: 5,
          rounds: 30,
          work: { flops: 2 * SIDE ** 2, bytes: 4 * SIDE ** 2 },
        });
      }
    }
  },
};

export default bench;
