import type { Rng } from "@corenet/core";
import { type CausalLm, crossEntropy } from "@corenet/nn";
import { type TensorTree, tidy } from "@corenet/tensor";
import { type BatchSource, cosineSchedule, type TrainOptions, type TrainResult, train } from "@corenet/train";
import { scaledBatches } from "../text/scaled-batches.ts";
import { type TextBatch, windowBatches } from "../text/window-batches.ts";
import type { TrainingSettings } from "./settings.ts";
import { scaleShares, windowScales } from "./window-scales.ts";

type Passed = Pick<TrainOptions<TensorTree, TextBatch>, "checkpoint" | "onProgress" | "onStep" | "signal">;

export interface TrainOnTextOptions extends Passed {
  training: TrainingSettings;
  rng: Rng;
}

/**
 * Trains a byte-level language model to predict the next byte.
 *
 * @param model - where to start; its parameters are borrowed and stay as they are
 * @param pieces - the text; no window reaches from one into the next
 * @returns the trained parameters, the caller's
 */
export async function trainOnText(
  model: CausalLm,
  pieces: readonly Uint8Array[],
  { training, rng, ...passed }: TrainOnTextOptions,
): Promise<TrainResult<TensorTree>> {
  const { clip, zLoss, weightDecay, beta1, beta2, steps, warmup } = training;
  return train<TensorTree, TextBatch>({
    ...passed,
    params: model.params as TensorTree, // a model to be trained is not packed: train says so otherwise
    loss: (params, { tokens, targets }) =>
      tidy(() => crossEntropy(model.withParams(params).forward(tokens), targets, { zLoss })),
    batches: batchesOf(training, pieces, rng),
    optimizer: { weightDecay, beta1, beta2 },
    schedule: cosineSchedule({
      peak: training.learningRate,
      min: training.minLearningRate,
      total: steps,
      warmup,
    }),
    steps,
    clip,
    rng: rng.split("train"),
    countTokens: ({ tokens }) => tokens.size,
  });
}

function batchesOf(
  training: TrainingSettings,
  pieces: readonly Uint8Array[],
  rng: Rng,
): BatchSource<TextBatch> {
  const scaleAt = windowScales(training, rng);
  const sources = scaleShares(training.sequences).map(({ length, batchSize }) => [
    length,
    windowBatches(pieces, { batchSize, length, rng: rng.split("batches").split(length) }),
  ]);
  return scaledBatches((step) => String(scaleAt(step).length), Object.fromEntries(sources));
}
