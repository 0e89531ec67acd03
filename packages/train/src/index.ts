export {
  type AdamwOptions,
  type AdamwResult,
  type AdamwState,
  type AdamwStepOptions,
  adamw,
  createAdamwState,
  disposeAdamwState,
  takeAdamwStep,
} from "./adamw.ts";
export { averageTrees } from "./average-trees.ts";
export {
  type Checkpoint,
  disposeCheckpoint,
  type LatestCheckpointOptions,
  latestCheckpoint,
  listCheckpoints,
  type ReadCheckpointOptions,
  readCheckpoint,
  type SkippedCheckpoint,
  type StepRecord,
  saveCheckpoint,
  type TensorRecord,
} from "./checkpoint.ts";
export { type CheckpointStore, folderStore } from "./checkpoint-store.ts";
export { ema } from "./ema.ts";
export type { DeviceFailure, Fallback, FallbackEvent } from "./fallback.ts";
export { freeze, matchPaths } from "./freeze.ts";
export { clipByGlobalNorm, clipFactor, globalNorm } from "./global-norm.ts";
export { memoryStore } from "./memory-store.ts";
export type { ParamGroup } from "./param-groups.ts";
export type { BatchSource, Json, Resumable } from "./resumable.ts";
export {
  type ConstantOptions,
  constantSchedule,
  cosineSchedule,
  type DecayOptions,
  linearSchedule,
  type Schedule,
  type WarmupOptions,
} from "./schedules.ts";
export { train } from "./train.ts";
export type {
  CheckpointOptions,
  LossContext,
  StepEvent,
  TrainOptions,
  TrainResult,
} from "./train-options.ts";
export { addTrees, scaleTree } from "./tree-arithmetic.ts";
