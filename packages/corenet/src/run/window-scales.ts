import type { Rng } from "@corenet/core";
import { curriculumSequences, type SequenceScale, stepScales } from "@corenet/multiscale-sampler";
import type { SequenceSettings, TrainingSettings } from "./settings.ts";

/**
 * Length and batch of each step: a pure function of its arguments.
 *
 * @param rng - of the run; nothing is drawn of it
 */
export function windowScales(
  { sequences, steps }: Pick<TrainingSettings, "sequences" | "steps">,
  rng: Rng,
): (step: number) => SequenceScale {
  const scales = curriculumSequences(sequences);
  return stepScales({ steps, epochs: sequences.epochs, scales, random: rng.split("windows") });
}

/** A scale of the training, and the part of the steps that is expected to have it. */
export interface ScaleShare extends SequenceScale {
  readonly share: number;
}

/** All scales that a training draws from, short ones first. */
export function scaleShares(sequences: SequenceSettings): ScaleShare[] {
  const scalesAt = curriculumSequences(sequences);
  const shares = new Map<number, ScaleShare>();
  for (let epoch = 0; epoch < sequences.epochs; epoch++) {
    const list = scalesAt(epoch);
    for (const scale of list) {
      const share = (shares.get(scale.length)?.share ?? 0) + 1 / (list.length * sequences.epochs);
      shares.set(scale.length, { ...scale, share });
    }
  }
  return [...shares.values()].sort((a, b) => a.length - b.length);
}

/** The longest window that the training has met at a step, counted from 0. */
export function longestKnown(
  step: number,
  { sequences, steps }: Pick<TrainingSettings, "sequences" | "steps">,
): number {
  const epoch = Math.min(sequences.epochs - 1, Math.floor((step * sequences.epochs) / steps));
  return Math.max(...curriculumSequences(sequences)(epoch).map(({ length }) => length));
}

/** Bytes of the longest window, its targets included. */
export function longestWindow({ sequences }: Pick<TrainingSettings, "sequences">): number {
  return 1 + Math.max(...scaleShares(sequences).map(({ length }) => length));
}
