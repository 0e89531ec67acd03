import type { RandomStream } from "@corenet/core";
import { checkCount } from "./check.ts";
import type { Scale } from "./scale.ts";

export interface StepScalesOptions<S extends Scale> {
  /** Of the whole training. */
  steps: number;
  /** What a step draws from, each equally likely: one list, or one for each epoch. */
  scales: readonly S[] | ((epoch: number) => readonly S[]);
  /** Equal parts of the training, for which a curriculum says its scales. @default 1 */
  epochs?: number;
  /** Nothing is drawn of it: each step splits a stream off. */
  random: RandomStream;
}

/**
 * The scale of each step, for training that is counted in steps and brings its own samples, as that of language models.
 *
 * @returns a pure function of the step, from 0: to resume, there is nothing to save
 * @throws RangeError naming the option that cannot be
 */
export function stepScales<S extends Scale>(options: StepScalesOptions<S>): (step: number) => S {
  const { steps, scales, epochs = 1, random } = options;
  checkCount("stepScales: steps", steps, 1, "Pass the steps of the whole training.");
  checkCount("stepScales: epochs", epochs, 1, "Use 1 where the scales stay the same.");
  const lists = Array.from({ length: epochs }, (_, epoch) => {
    const list = typeof scales === "function" ? scales(epoch) : scales;
    if (list.length > 0) return list;
    throw new RangeError(`stepScales: got no scales in epoch ${epoch}. Pass one or more.`);
  });
  return (step) => {
    checkCount("stepScales: step", step, 0, "Count from 0.");
    const epoch = Math.min(epochs - 1, Math.floor((step * epochs) / steps));
    const list = lists[epoch] as readonly S[];
    return list[random.split(step).integer(list.length)] as S;
  };
}
