import { availableParallelism } from "node:os";
import { countVitMultiplyAdds, vitConfig } from "@corenet/nn";
import type { Bench } from "../../../tools/bench/harness.ts";
import { Runner } from "../../../tools/bench/runner.ts";
import { BASE } from "./vit-base.ts";

const TOLERANCE = 1e-3; // of a logit; they are about 1

const bench: Bench = {
  name: "vit",
  description:
    "A forward pass of ViT-B/16 on one image of 224 x 224 with random weights on our wasm backend, against onnxruntime-web on " +
    "wasm (the same graph in plain ONNX ops, all its optimizations on) with as many threads. The floor is of one thread.",

  async run({ compare, record }) {
    const script = new URL("vit-process.ts", import.meta.url);
    const size = { height: BASE.imageSize, width: BASE.imageSize };
    for (const threads of new Set([1, Math.min(8, availableParallelism())])) {
      await using ours = await Runner.start(script, ["ours", String(threads)]);
      await using onnx = await Runner.start(script, ["onnx", String(threads)]);
      const [{ values: own = [] }, { values: theirs = [] }] = [await ours.run(), await onnx.run()];
      const difference = Math.max(...own.map((logit, i) => Math.abs(logit - (theirs[i] ?? Number.NaN))));
      record(`largest difference of two logits, ${threads} threads`, difference);
      if (!(difference <= TOLERANCE)) {
        throw new Error(
          `vit: logits differ by ${difference}, expected at most ${TOLERANCE}. Compare layer by layer.`,
        );
      }
      await compare({
        name: `ViT-B/16, one image of 224 x 224, ${threads} thread${threads > 1 ? "s" : ""}`,
        ours: ours.contender("ours"),
        peers: [onnx.contender("onnxruntime-web")],
        warmup: 2,
        rounds: 8,
        work: { flops: 2 * countVitMultiplyAdds(vitConfig(BASE), size) },
      });
    }
  },
};

export default bench;
