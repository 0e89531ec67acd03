// Our side of train-step.bench.ts: the training step as a user of the packages writes it.
import { Rng } from "@corenet/core";
import { crossEntropy } from "@corenet/nn";
import { createOpenElm, type OpenElm, type OpenElmConfig, openElmConfig } from "@corenet/openelm";
import { mapTree, type TensorTree, takeData, tensor, valueAndGrad } from "@corenet/tensor";
import { type AdamwState, clipFactor, createAdamwState, globalNorm, takeAdamwStep } from "@corenet/train";
import {
  initialCheckpoint,
  type OpenElmShape,
  type TokenBatch,
  trainingBatch,
} from "../../../tools/bench/peers/openelm-workload.ts";
import type { RunReply } from "../../../tools/bench/runner.ts";

export const SHAPE: OpenElmShape = {
  vocab: 256,
  dim: 128,
  headDim: 32,
  numQueryHeads: [2, 4, 4, 4],
  numKvHeads: [1, 2, 2, 2],
  ffnDims: [256, 384, 512, 512],
};
export const BATCH = 8;
export const LENGTH = 128;
export const SEED = 1;
export const LEARNING_RATE = 1e-3;
const CLIP_NORM = 1;
const Z_LOSS = 1e-4;

/** Our model in training: weights, moments and step count, as a user of the packages holds them. */
export class Training {
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

  /** Forward, backward, clip, update; gives the loss before the update. */
  async step(): Promise<RunReply> {
    const data = trainingBatch({
      vocab: SHAPE.vocab,
      batch: BATCH,
      length: LENGTH,
      seed: SEED,
      step: this.#state.step,
    });
    const start = performance.now();
    const loss = await this.#update(data);
    return { value: loss, ms: performance.now() - start };
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
