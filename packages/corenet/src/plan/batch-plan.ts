import type { DrawnStep, TrainingPlan } from "@corenet/multiscale-sampler";

/** What a training will draw, and what it is expected to cost. */
export interface BatchPlan {
  /** "MSc-VBS with curriculum, 1 281 167 images, …" */
  readonly title: string;
  readonly plan: TrainingPlan<{ batchSize: number }>;
  /** What the steps of one epoch draw, or of all. */
  steps(epoch?: number): Iterable<DrawnStep>;
}

export type SamplerName = "fixed" | "fixed-batch" | "variable" | "curriculum";

/** Of the samplers in the paper's words. */
export const samplerTitles: Readonly<Record<SamplerName, string>> = {
  fixed: "SSc-FBS",
  "fixed-batch": "MSc-FBS",
  variable: "MSc-VBS",
  curriculum: "MSc-VBS with curriculum",
};

/** The range of a sampler, in pixels of a side or in tokens; a curriculum starts from `min` to `startMax`. */
export interface RangeOptions {
  /** Of single-scale training. */
  base: number;
  /** Samples in a batch at the base. */
  batch: number;
  min: number;
  max: number;
  startMax: number;
  divisor: number;
  count: number;
  epochs: number;
  growUntil: number;
  shape: "linear" | "cosine";
}
