import type { OpenElmOptions } from "@corenet/openelm";

/** What was trained on. */
export interface TextSettings {
  /** An absolute path, or "repository". */
  readonly from: string;
  readonly files: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A part of the training with batches of one shape. */
export interface StageSettings {
  /** Of all steps. */
  readonly share: number;
  /** B */
  readonly batchSize: number;
  /** T */
  readonly length: number;
}

export interface TrainingSettings {
  /** Updates in all. */
  readonly steps: number;
  /** One after another: short windows first, from which a young model learns more; see docs/decisions/tiny-run.md. */
  readonly stages: readonly StageSettings[];
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

/** Bytes of the longest window, its targets included. */
export function longestWindow({ stages }: Pick<TrainingSettings, "stages">): number {
  return 1 + Math.max(...stages.map(({ length }) => length));
}

/** The stage that a step, counted from 0, belongs to. */
export function stageOf(step: number, { stages, steps }: TrainingSettings): StageSettings {
  let end = 0;
  for (const stage of stages) {
    end += stepsOf(stage, steps);
    if (step < end) return stage;
  }
  return stages.at(-1) as StageSettings; // rounding
}

/** How many of all steps a stage has. */
export function stepsOf({ share }: StageSettings, steps: number): number {
  return Math.round(share * steps);
}

/** Everything that a run's result depends on: `run.json`. */
export interface RunSettings {
  readonly version: 1;
  readonly text: TextSettings;
  readonly seed: number;
  readonly model: ModelSettings;
  /** Weights of the model. */
  readonly parameters: number;
  readonly training: TrainingSettings;
  /** How the number of steps was found; null where it was given. */
  readonly calibration: { readonly minutes: number; readonly stepMs: number } | null;
}
