export { AbortError, abortable, isAbortError, sleep, throwIfAborted } from "./abort.ts";
export { decodeBfloat16, encodeBfloat16 } from "./bfloat16.ts";
export {
  BackendError,
  CheckpointError,
  CorenetError,
  type CorenetErrorOptions,
  DeviceLostError,
  FormatError,
  GpuError,
  IoError,
  NonFiniteError,
  OutOfMemoryError,
  ShapeError,
} from "./errors.ts";
export { decodeFloat16, encodeFloat16 } from "./float16.ts";
export { makeDivisible } from "./make-divisible.ts";
export {
  createProgress,
  type OnProgress,
  type Progress,
  type ProgressOptions,
  type ProgressReporter,
} from "./progress.ts";
export { RandomStream } from "./random-stream.ts";
export { Rng, type RngState, type Shuffleable } from "./rng.ts";
export { yieldToEventLoop } from "./yield.ts";
