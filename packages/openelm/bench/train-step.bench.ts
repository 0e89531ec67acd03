import { availableParallelism } from "node:os";
import type { Bench } from "../../../tools/bench/harness.ts";
import { parameterShapes } from "../../../tools/bench/peers/openelm-workload.ts";
import { TfjsWasm, type TrainStepRequest } from "../../../tools/bench/peers/tfjs-wasm.ts";
import { Runner } from "../../../tools/bench/runner.ts";
import { BATCH, LEARNING_RATE, LENGTH, SEED, SHAPE } from "./training.ts";

const LOSS_TOLERANCE = 1e-4;
const VARIANTS = ["tuned", "stock"] as const;

const bench: Bench = {
  name: "train-step",
  description:
    "An OpenELM training step (845,184 parameters, 8 x 128 tokens; loss, gradients, clipping, AdamW) on our wasm backend " +
    "against the same step on tfjs-backend-wasm 4.22.0: gradients by hand (tuned), and tfjs's own (stock). The floor is of one thread.",

  async run({ compare, record }) {
    const threads = Math.min(8, availableParallelism()); // what wasm() takes
    const script = new URL("train-step-process.ts", import.meta.url);
    await using ours = await Runner.start(script, [String(threads)]);
    await using single = await Runner.start(script, ["1"]);
    await using tfjs = await TfjsWasm.start();
    const request: Omit<TrainStepRequest, "variant"> = {
      run: "trainStep",
      config: SHAPE,
      batch: BATCH,
      length: LENGTH,
      seed: SEED,
      learningRate: LEARNING_RATE,
    };

    const { value: loss = Number.NaN } = await ours.run();
    record("first loss, ours (nats)", loss);
    await single.run();
    for (const variant of VARIANTS) {
      const { losses } = await tfjs.trainStep({ ...request, variant });
      const [peerLoss = Number.NaN] = losses;
      record(`first loss, ${variant} (nats)`, peerLoss);
      record(`first loss, ${variant} minus ours (nats)`, peerLoss - loss);
      checkSameWork(variant, loss, peerLoss);
    }

    const { standings } = await compare({
      name: `OpenELM training step, ${BATCH} x ${LENGTH} tokens`,
      ours: ours.contender(`ours, ${threads} threads`),
      peers: [
        single.contender("ours, one thread"),
        ...VARIANTS.map((variant) => tfjs.contender(variant, { ...request, variant })),
      ],
      warmup: 3,
      rounds: 15,
      work: { flops: flopsOfStep() },
    });
    for (const { name, summary } of standings) {
      record(`tokens/s, ${name}`, (BATCH * LENGTH * 1000) / summary.median);
    }
  },
};

/** The products of one step: 6 a weight of a matrix and token, and the scores and reads that causality leaves. */
function flopsOfStep(): number {
  const weights = Object.values(parameterShapes(SHAPE))
    .filter((shape) => shape.length === 2)
    .reduce((sum, [rows = 0, columns = 0]) => sum + rows * columns, 0);
  const heads = SHAPE.numQueryHeads.reduce((sum, count) => sum + count, 0);
  const attention = 6 * BATCH * heads * LENGTH ** 2 * SHAPE.headDim; // half of all pairs, forward and twice backward
  return 6 * weights * BATCH * LENGTH + attention;
}

function checkSameWork(peer: string, ours: number, theirs: number): void {
  if (Math.abs(ours - theirs) <= LOSS_TOLERANCE) return;
  throw new Error(
    `train-step: the first loss is ${ours} for ours and ${theirs} for ${peer}, expected at most ${LOSS_TOLERANCE} between. ` +
      "They do different work: compare logits with golden/openelm.",
  );
}

export default bench;
