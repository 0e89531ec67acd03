import type { Rng } from "@corenet/core";
import { createOpenElm, openElmConfig } from "@corenet/openelm";
import { disposeTree } from "@corenet/tensor";
import type { ModelSettings, TrainingSettings } from "./settings.ts";
import { trainOnText } from "./train-on-text.ts";

const warmUpSteps = 2;
const measuredSteps = 7;

/**
 * How long a training step takes here and now: the median of a few, on a model that is thrown away.
 *
 * @returns milliseconds
 */
export async function measureStepMs(
  model: ModelSettings,
  training: Omit<TrainingSettings, "steps">,
  { pieces, rng, signal }: { pieces: readonly Uint8Array[]; rng: Rng; signal?: AbortSignal | undefined },
): Promise<number> {
  using fresh = await createOpenElm(openElmConfig(model), { rng });
  const times: number[] = [];
  const { params } = await trainOnText(fresh, pieces, {
    training: { ...training, warmup: 0, steps: warmUpSteps + measuredSteps },
    rng,
    signal,
    onStep: ({ ms }) => {
      times.push(ms);
    },
  });
  disposeTree(params);
  const sorted = times.slice(warmUpSteps).sort((a, b) => a - b);
  return sorted[Math.floor(measuredSteps / 2)] as number;
}
