import type { CurriculumSequencesOptions, CurriculumShape } from "@corenet/multiscale-sampler";
import type { OpenElmOptions } from "@corenet/openelm";

/** What was trained on. */
export interface TextSettings {
  /** An absolute path, or "repository". */
  readonly from: string;
  readonly files: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** Lengths of windows and how they grow over the training: nothing is left to a default. */
export type SequenceSettings = Required<Omit<CurriculumSequencesOptions, "shape">> & {
  readonly shape: Exclude<CurriculumShape, (epoch: number) => number>; // what JSON can hold
};

export interface TrainingSettings {
  /** Updates in all. */
  readonly steps: number;
  /** Short windows first, from which a young model learns more; see docs/decisions/tiny-run.md. */
  readonly sequences: SequenceSettings;
  /** The initial embeddings are so many times what `createOpenElm` gives. */
  readonly embeddingScale: number;
  /** The peak, after the warm-up. */
  readonly learningRate: number;
  /** Where the schedule ends. */
  readonly minLearningRate: number;
  /** Steps of the linear rise. */
  readonly warmup: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Largest global norm of a gradient. */
  readonly clip: number;
  readonly zLoss: number;
}

/** As `openElmConfig` takes it, with nothing left to a default. */
export type ModelSettings = Required<Omit<OpenElmOptions, "qkvMultipliers" | "ffnMultipliers">> & {
  readonly qkvMultipliers: readonly number[];
  readonly ffnMultipliers: readonly number[];
};

/** What was measured before a training of a given time. */
export interface Calibration {
  readonly minutes: number;
  /** Mean of a step. */
  readonly stepMs: number;
  /** A step at each length of windows. */
  readonly lengthMs: Readonly<Record<string, number>>;
}

/** Everything that a run's result depends on: `run.json`. */
export interface RunSettings {
  readonly version: 2;
  readonly text: TextSettings;
  readonly seed: number;
  readonly model: ModelSettings;
  /** Weights of the model. */
  readonly parameters: number;
  readonly training: TrainingSettings;
  /** How the number of steps was found; null where it was given. */
  readonly calibration: Calibration | null;
}
