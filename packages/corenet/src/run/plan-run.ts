import { countParameters, openElmConfig } from "@corenet/openelm";
import type { Text } from "../text/read-text.ts";
import { splitText } from "../text/split-text.ts";
import { measureStepMs } from "./measure-step.ts";
import type { Calibration, ModelSettings, RunSettings, TrainingSettings } from "./settings.ts";
import { longestWindow } from "./window-scales.ts";

export interface PlanOptions {
  /** @default 1 */
  seed?: number | undefined;
  /** Time for the training itself. @default 2.4 */
  minutes?: number | undefined;
  /** Updates, in place of as many as fit into the time. */
  steps?: number | undefined;
  /** What to train in place of one of our two sizes. */
  model?: ModelSettings | undefined;
  /** In place of our hyper-parameters. */
  training?: Partial<Omit<TrainingSettings, "steps">> | undefined;
  signal?: AbortSignal | undefined;
}

/** Layer-wise scaling and grouped-query attention as in the paper, at a width that two cores train in minutes. */
const narrow = {
  ...{ vocabSize: 256, contextLength: 256, ropeBase: 10000, ropeMaxLength: 512, tied: false },
  ...{ numLayers: 4, modelDim: 128, headDim: 32, groupSize: 2, ffnDivisor: 64, qkvMultipliers: [0.5, 1] },
};
const large: ModelSettings = { ...narrow, ffnMultipliers: [2, 4] };
const small: ModelSettings = { ...narrow, ffnMultipliers: [1, 2.5] };
/** Where the small model would see so many, the large one is taken: an estimate, see docs/decisions/tiny-run.md. */
const tokensForLarge = 3_500_000;

const defaults: Omit<TrainingSettings, "steps"> = {
  sequences: {
    ...{ baseLength: 256, baseBatch: 2, spacing: "doubling", divisor: 64, count: 1, includeBase: "inRange" },
    ...{ startMinLength: 64, startMaxLength: 64, endMinLength: 256, endMaxLength: 256 },
    ...{ epochs: 10, growUntil: 1, shape: { milestones: [6, 8] } }, // 64 for three fifths, then 128, then 256
  },
  ...{ embeddingScale: 16, learningRate: 4e-3, minLearningRate: 4e-4, warmup: 100 },
  ...{ weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1, zLoss: 1e-4 },
};
const leastSteps = 20;

/**
 * Decides on everything that a run depends on. Where the number of steps is not given, it measures how long a step
 * takes on this machine and now: the only part that may come out differently a second time.
 *
 * @throws RangeError when the text is too short for a window, or a setting is out of range
 */
export async function planRun(text: Text, options: PlanOptions): Promise<RunSettings> {
  const { seed = 1, minutes = 2.4, model, signal } = options;
  checkNumbers(minutes, options.steps);
  const training = { ...defaults, ...options.training };
  const pieces = splitText(text.bytes, { window: longestWindow(training) }).training;
  const finish = (size: ModelSettings, steps: number, calibration: Calibration | null): RunSettings => ({
    version: 2,
    text: { from: text.from, files: text.files, bytes: text.bytes.length, sha256: text.sha256 },
    seed,
    model: size,
    parameters: countParameters(openElmConfig(size)),
    training: { steps, ...training, warmup: Math.min(training.warmup, Math.floor(steps / 5)) },
    calibration,
  });
  const first = model ?? small;
  if (options.steps !== undefined) return finish(first, options.steps, null);

  const stepsIn = ({ stepMs }: Calibration) => Math.max(leastSteps, Math.floor((minutes * 60_000) / stepMs));
  const measure = async (size: ModelSettings): Promise<Calibration> => ({
    minutes,
    ...(await measureStepMs(size, training, { pieces, signal })),
  });
  const measured = await measure(first);
  const { baseLength, baseBatch } = training.sequences;
  const tokens = stepsIn(measured) * baseLength * baseBatch;
  if (model || tokens < tokensForLarge) return finish(first, stepsIn(measured), measured);
  const measuredLarge = await measure(large);
  return finish(large, stepsIn(measuredLarge), measuredLarge);
}

function checkNumbers(minutes: number, steps: number | undefined): void {
  if (!(minutes > 0 && minutes < Infinity)) {
    throw new RangeError(`planRun: minutes is ${minutes}, expected a finite number > 0.`);
  }
  if (steps !== undefined && !(Number.isSafeInteger(steps) && steps >= 1)) {
    throw new RangeError(`planRun: steps is ${steps}, expected an integer >= 1.`);
  }
}
