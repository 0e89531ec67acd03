import { Rng } from "@corenet/core";
import { openElmConfig } from "@corenet/openelm";
import { disposeTree } from "@corenet/tensor";
import { createModel } from "./create-model.ts";
import type { Calibration, ModelSettings, SequenceSettings, TrainingSettings } from "./settings.ts";
import { trainOnText } from "./train-on-text.ts";
import { scaleShares } from "./window-scales.ts";

const warmUpSteps = 20; // at the first length: until the engine has compiled everything at its best
const fewWarmUpSteps = 3; // in the others
const measuredSteps = 9;

/**
 * How long a training step takes here and now, on a model that is thrown away: the median of a few at each length of
 * windows, and the mean of these by the steps that will have it.
 *
 * @returns milliseconds
 */
export async function measureStepMs(
  settings: ModelSettings,
  training: Omit<TrainingSettings, "steps">,
  { pieces, signal }: { pieces: readonly Uint8Array[]; signal?: AbortSignal | undefined },
): Promise<Pick<Calibration, "stepMs" | "lengthMs">> {
  const rng = new Rng("measure");
  using model = await createModel(openElmConfig(settings), training, rng);
  let stepMs = 0;
  const lengthMs: Record<string, number> = {};
  for (const { length, share } of scaleShares(training.sequences)) {
    const skipped = stepMs === 0 ? warmUpSteps : fewWarmUpSteps;
    const times: number[] = [];
    const { params } = await trainOnText(model, pieces, {
      training: {
        ...training,
        sequences: only(length, training.sequences),
        warmup: 0,
        steps: skipped + measuredSteps,
      },
      rng,
      signal,
      onStep: ({ ms }) => {
        times.push(ms);
      },
    });
    disposeTree(params);
    const ms = medianOf(times.slice(skipped));
    lengthMs[length] = ms;
    stepMs += share * ms;
  }
  return { stepMs, lengthMs };
}

/** The same tokens in a batch, all at one length. */
function only(length: number, sequences: SequenceSettings): SequenceSettings {
  return {
    ...sequences,
    startMinLength: length,
    startMaxLength: length,
    endMinLength: length,
    endMaxLength: length,
  };
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
