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

/** What is trained on, in one step. */
export interface TrainWorkload {
  readonly shape: OpenElmShape;
  readonly batch: number;
  readonly length: number;
}

export const SEED = 1;
export const LEARNING_RATE = 1e-3;
export const CLIP_NORM = 1;
export const Z_LOSS = 1e-4;

/** By their number of parameters. */
export const WORKLOADS = {
  "845 k": {
    shape: {
      vocab: 256,
      dim: 128,
      headDim: 32,
      numQueryHeads: [2, 4, 4, 4],
      numKvHeads: [1, 2, 2, 2],
      ffnDims: [256, 384, 512, 512],
    },
    batch: 8,
    length: 128,
  },
  "2.3 M": {
    shape: {
      vocab: 512,
      dim: 192,
      headDim: 32,
      numQueryHeads: [4, 4, 4, 6, 6, 6],
      numKvHeads: [2, 2, 2, 3, 3, 3],
      ffnDims: [192, 320, 448, 512, 640, 768],
    },
    batch: 8,
    length: 256,
  },
  "30 M": {
    shape: {
      vocab: 8192,
      dim: 512,
      headDim: 64,
      numQueryHeads: [4, 4, 6, 6, 6, 6, 8, 8, 8, 8],
      numKvHeads: [2, 2, 3, 3, 3, 3, 4, 4, 4, 4],
      ffnDims: [512, 640, 896, 1024, 1152, 1408, 1536, 1664, 1920, 2048],
    },
    batch: 8,
    length: 256,
  },
} as const satisfies Record<string, TrainWorkload>;

export type WorkloadName = keyof typeof WORKLOADS;

/** Our model in training: weights, moments and step count, as a user of the packages holds them. */
export class Training {
  readonly #workload: TrainWorkload;
  readonly #model: OpenElm;
  #params: TensorTree;
  #state: AdamwState;

  private constructor(workload: TrainWorkload, model: OpenElm, params: TensorTree) {
    this.#workload = workload;
    this.#model = model;
    this.#params = params;
    this.#state = createAdamwState(params);
  }

  static async start(workload: TrainWorkload): Promise<Training> {
    const checkpoint = initialCheckpoint(workload.shape, SEED);
    const model = await createOpenElm(configOf(workload), { rng: new Rng(SEED) });
    const params = mapTree(model.params, (leaf, path) => {
      const start = checkpoint[path];
      if (!start)
        throw new RangeError(`train-step: the workload has no ${path}. Compare the two lists of names.`);
      return tensor(start.values, leaf.shape);
    });
    model.dispose();
    return new Training(workload, model, params as TensorTree);
  }

  /** Forward, backward, clip, update; gives the loss before the update. */
  async step(): Promise<RunReply> {
    const { shape, batch, length } = this.#workload;
    const data = trainingBatch({ vocab: shape.vocab, batch, length, seed: SEED, step: this.#state.step });
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
export function configOf({ shape, length }: TrainWorkload): OpenElmConfig {
  const { vocab, dim, headDim, numQueryHeads, numKvHeads, ffnDims } = shape;
  const scaled = openElmConfig({
    vocabSize: vocab,
    contextLength: length,
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
