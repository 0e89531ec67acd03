import { availableParallelism } from "node:os";
import { countMultiplyAdds, openElmConfig, parameterShapes } from "@corenet/openelm";
import type { Bench } from "../../../tools/bench/harness.ts";
import { Runner } from "../../../tools/bench/runner.ts";
import { NEW_TOKENS, PROMPT } from "./decode-work.ts";
import { writtenModel } from "./written-model.ts";

const FORMATS = [
  { ours: "f32", native: "f32", bitsPerNumber: 32 },
  { ours: "f16", native: "f16", bitsPerNumber: 16 },
  { ours: "int8", native: "q8_0", bitsPerNumber: 8.5 },
  { ours: "int4", native: "q4_0", bitsPerNumber: 4.5 },
] as const;

const scripts = {
  ours: new URL("decode-process.ts", import.meta.url),
  native: new URL("llama-process.ts", import.meta.url),
};

const bench: Bench = {
  name: "decode",
  description:
    "OpenELM-270M's shape with random weights: one more token, and a prefill of 512, on our wasm backend and on llama.cpp " +
    "(native, node-llama-cpp), greedy, with the same number of threads. The floor is of one thread: bytes of the weights " +
    "for a token, multiply-adds for a prefill.",

  async run({ compare, record, signal }) {
    const config = openElmConfig("270M");
    const numbers = parameterShapes(config)
      .filter(({ shape }) => shape.length === 2)
      .reduce((sum, { shape: [rows = 0, columns = 0] }) => sum + rows * columns, 0);
    const prefillFlops = 2 * countMultiplyAdds(config, { newTokens: PROMPT.length, logits: "last" });
    const counts = [...new Set([1, Math.min(8, availableParallelism())])];
    for (const { ours, native, bitsPerNumber } of FORMATS) {
      const file = await writtenModel(native, signal);
      for (const threads of counts) {
        for (const work of ["decode", "prefill"] as const) {
          await using own = await Runner.start(scripts.ours, [ours, String(threads), work]);
          await using peer = await Runner.start(scripts.native, [file, String(threads), work]);
          const isDecode = work === "decode";
          const { standings } = await compare({
            name: `${isDecode ? "decode" : `prefill of ${PROMPT.length}`}, ${ours}, ${threads} thread${threads > 1 ? "s" : ""}`,
            ours: own.contender("ours"),
            peers: [peer.contender(`llama.cpp ${native}`)],
            warmup: 2,
            rounds: isDecode ? 12 : 5,
            work: isDecode
              ? { bytes: (numbers * bitsPerNumber) / 8, flops: 2 * numbers }
              : { flops: prefillFlops },
          });
          for (const { name, summary } of standings) {
            const tokens = isDecode ? 1 : PROMPT.length;
            record(
              `tokens/s, ${work}, ${threads} threads, ${name} (${ours})`,
              (tokens * 1000) / summary.median,
            );
          }
        }
      }
    }
    record("tokens in a decode run, from as many on", NEW_TOKENS);
  },
};

export default bench;
