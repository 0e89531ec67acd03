import { Rng } from "@corenet/core";
import { openElmConfig } from "@corenet/openelm";
import { disposeTree } from "@corenet/tensor";
import { createModel } from "./create-model.ts";
import type { ModelSettings, TrainingSettings } from "./settings.ts";
import { trainOnText } from "./train-on-text.ts";

const warmUpSteps = 20; // in the first stage: until the engine has compiled everything at its best
const fewWarmUpSteps = 3; // in the others
const measuredSteps = 9;

/**
 * How long a training step takes here and now, on a model that is thrown away: in each stage the median of a few, and
 * of these the mean by their shares.
 *
 * @returns milliseconds
 */
export async function measureStepMs(
  settings: ModelSettings,
  training: Omit<TrainingSettings, "steps">,
  { pieces, signal }: { pieces: readonly Uint8Array[]; signal?: AbortSignal | undefined },
): Promise<number> {
  const rng = new Rng("measure");
  using model = await createModel(openElmConfig(settings), training, rng);
  let mean = 0;
  for (const [i, stage] of training.stages.entries()) {
    const skipped = i === 0 ? warmUpSteps : fewWarmUpSteps;
    const times: number[] = [];
    const { params } = await trainOnText(model, pieces, {
      training: { ...training, stages: [stage], warmup: 0, steps: skipped + measuredSteps },
      rng,
      signal,
      onStep: ({ ms }) => {
        times.push(ms);
      },
    });
    disposeTree(params);
    mean += stage.share * medianOf(times.slice(skipped));
  }
  return mean;
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
