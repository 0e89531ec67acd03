import { wasm } from "@corenet/backend-wasm";
import { Rng } from "@corenet/core";
import { crossEntropy } from "@corenet/nn";
import { mapTree, type TensorTree, takeData, tensor, useBackend, valueAndGrad } from "@corenet/tensor";
import { type AdamwState, clipFactor, createAdamwState, globalNorm, takeAdamwStep } from "@corenet/train";
import type { Bench, Contender } from "../../../tools/bench/harness.ts";
import {
  initialCheckpoint,
  type OpenElmShape,
  parameterShapes,
  type TokenBatch,
  trainingBatch,
} from "../../../tools/bench/peers/openelm-workload.ts";
import { TfjsWasm, type TrainStepRequest } from "../../../tools/bench/peers/tfjs-wasm.ts";
import { type OpenElmConfig, openElmConfig } from "../src/config.ts";
import { createOpenElm, type OpenElm } from "../src/open-elm.ts";

const SHAPE: OpenElmShape = {
  vocab: 256,
  dim: 128,
  headDim: 32,
  numQueryHeads: [2, 4, 4, 4],
  numKvHeads: [1, 2, 2, 2],
  ffnDims: [256, 384, 512, 512],
};
const BATCH = 8;
const LENGTH = 128;
const SEED = 1;
const LEARNING_RATE = 1e-3;
const CLIP_NORM = 1;
const Z_LOSS = 1e-4;
const LOSS_TOLERANCE = 1e-4;

const bench: Bench = {
  name: "train-step",
  description:
    "An OpenELM training step (845,184 parameters, 8 x 128 tokens; loss, gradients, clipping, AdamW) on our wasm backend, " +
    "one thread, against the same step on tfjs-backend-wasm 4.22.0: gradients by hand (tuned), and tfjs's own (stock).",

  async run({ compare, record }) {
    await useBackend(wasm());
    await using tfjs = await TfjsWasm.start();
    const training = await Training.start();
    const request: TrainStepRequest = {
      run: "trainStep",
      variant: "tuned",
      config: SHAPE,
      batch: BATCH,
      length: LENGTH,
      seed: SEED,
      learningRate: LEARNING_RATE,
    };
    const variants = ["tuned", "stock"] as const;

    const { loss } = await training.step();
    record("first loss, ours (nats)", loss);
    for (const variant of variants) {
      const { losses } = await tfjs.trainStep({ ...request, variant });
      const [peerLoss = Number.NaN] = losses;
      record(`first loss, ${variant} (nats)`, peerLoss);
      checkSameWork(variant, loss, peerLoss);
    }

    const ours: Contender = { name: "ours", run: async () => (await training.step()).ms };
    const peers = variants.map((variant) => tfjs.contender(variant, { ...request, variant }));
    const work = { flops: flopsOfStep() };
    const { standings } = await compare({
      name: `OpenELM training step, ${BATCH} x ${LENGTH} tokens`,
      ours,
      peers,
      warmup: 3,
      rounds: 15,
      work,
    });
    for (const { name, summary } of standings) {
      record(`tokens/s, ${name}`, (BATCH * LENGTH * 1000) / summary.median);
    }
  },
};

/** Our model in training: weights, moments and step count, as a user of the packages holds them. */
class Training {
  readonly #model: OpenElm;
  #params: TensorTree;
  #state: AdamwState;

  private constructor(model: OpenElm, params: TensorTree) {
    this.#model = model;
    this.#params = params;
    this.#state = createAdamwState(params);
  }

  static async start(): Promise<Training> {
    const checkpoint = initialCheckpoint(SHAPE, SEED);
    const model = await createOpenElm(configOf(SHAPE), { rng: new Rng(SEED) });
    const params = mapTree(model.params, (leaf, path) => {
      const start = checkpoint[path];
      if (!start)
        throw new RangeError(`train-step: the workload has no ${path}. Compare the two lists of names.`);
      return tensor(start.values, leaf.shape);
    });
    model.dispose();
    return new Training(model, params as TensorTree);
  }

  /** Forward, backward, clip, update. */
  async step(): Promise<{ loss: number; ms: number }> {
    const data = trainingBatch({
      vocab: SHAPE.vocab,
      batch: BATCH,
      length: LENGTH,
      seed: SEED,
      step: this.#state.step,
    });
    const start = performance.now();
    const loss = await this.#update(data);
    return { loss, ms: performance.now() - start };
  }

  async #update({ batch, length, tokens, targets }: TokenBatch): Promise<number> {
    const inputs = tensor(tokens, [batch, length], "int32");
    const wanted = tensor(targets, [batch, length], "int32");
    const { value, grads } = valueAndGrad((params) => {
      const logits = this.#model.withParams(params).forward(inputs);
      return crossEntropy(logits, wanted, { ignoreIndex: -1, zLoss: Z_LOSS });
    }, this.#params);
    inputs.dispose();
    wanted.dispose();
    const [norm = Number.NaN] = await takeData(globalNorm(grads));
    const next = takeAdamwStep(this.#params, grads, this.#state, {
      learningRate: LEARNING_RATE,
      gradScale: clipFactor(norm, CLIP_NORM),
    });
    this.#params = next.params;
    this.#state = next.state;
    const [loss = Number.NaN] = await takeData(value);
    return loss;
  }
}

/** The widths of the workload, layer by layer, in place of those that layer-wise scaling would give. */
function configOf(shape: OpenElmShape): OpenElmConfig {
  const { vocab, dim, headDim, numQueryHeads, numKvHeads, ffnDims } = shape;
  const scaled = openElmConfig({
    vocabSize: vocab,
    contextLength: LENGTH,
    numLayers: ffnDims.length,
    modelDim: dim,
    headDim,
    groupSize: 2,
    qkvMultipliers: [0.5, 1],
    ffnMultipliers: [2, 4],
    ffnDivisor: 128,
  });
  const layers = ffnDims.map((ffnDim, i) => ({
    numQueryHeads: numQueryHeads[i] ?? 0,
    numKvHeads: numKvHeads[i] ?? 0,
    ffnDim,
  }));
  return { ...scaled, layers };
}

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
