export { RandomStream, Rng } from "@corenet/core";
export { type ChainOptions, createChainSampler, type TaskBatch } from "./chain.ts";
export { type CnnCostOptions, cnnCost } from "./cnn-cost.ts";
export { CpythonRandom, cpython, sharedCpython } from "./cpython.ts";
export { type CurriculumOptions, type CurriculumShape, curriculumProgress } from "./curriculum.ts";
export { type CurriculumScalesOptions, curriculumScales } from "./curriculum-scales.ts";
export { type DecoderShape, decoderCost } from "./decoder-cost.ts";
export type { AnyBatch, Batch, Epoch, EpochOptions, Sampler } from "./epoch.ts";
export { type DrawnStep, epochSvg } from "./epoch-svg.ts";
export { expectedUpdates } from "./expected-updates.ts";
export { type GrowingScalesOptions, growingScales } from "./growing-scales.ts";
export {
  fixedBatchScales,
  fixedScale,
  type ImageScalesOptions,
  type VariableBatchOptions,
  variableBatchScales,
} from "./image-scales.ts";
export type { ImageSizesOptions } from "./image-sizes.ts";
export type { OrderOptions, RankOptions } from "./order.ts";
export { type CostFunction, pixelCost } from "./pixel-cost.ts";
export { planTable } from "./plan-table.ts";
export {
  type EpochPlan,
  type PlannedScale,
  type PlanOptions,
  planTraining,
  type TrainingPlan,
} from "./plan-training.ts";
export { type GetSample, type LoadedBatch, type PrefetchOptions, prefetch } from "./prefetch.ts";
export type { EpochRandom, RandomOption, RandomSource } from "./random.ts";
export { toReadableStream } from "./readable-stream.ts";
export { SampleError } from "./sample-error.ts";
export { createSampler, type Draw, type SamplerOptions } from "./sampler.ts";
export type { ImageScale, Scale, SequenceScale, VideoScale } from "./scale.ts";
export {
  type CurriculumSequencesOptions,
  curriculumSequences,
  type SequenceScalesOptions,
  sequenceScales,
} from "./sequence-scales.ts";
export { type SideListOptions, sideList } from "./side-list.ts";
export type { Sides, Size } from "./size.ts";
export { type StepScalesOptions, stepScales } from "./step-scales.ts";
export { type TfDataset, toTfDataset } from "./tf-dataset.ts";
export {
  type ClipScale,
  createVideoClipSampler,
  fpsScales,
  type VideoClipOptions,
  type VideoMetadata,
} from "./video-clips.ts";
export {
  fixedVideoScale,
  randomClips,
  type VariableFramesOptions,
  variableFramesScales,
} from "./video-scales.ts";
export { type VitCostOptions, vitCost } from "./vit-cost.ts";
