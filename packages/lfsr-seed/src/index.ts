export {
  type CompressCheckpointOptions,
  type CompressProgress,
  compressCheckpoint,
} from "./checkpoint/compress-checkpoint.ts";
export { type EncodeEstimate, estimateEncodeTime } from "./checkpoint/estimate-encode-time.ts";
export {
  type CompressReport,
  type KeptTensor,
  reportTable,
  type TensorReport,
  tensorsAtTheEdge,
} from "./checkpoint/report.ts";
export { reportSvg } from "./checkpoint/report-svg.ts";
export type { SelectOptions } from "./checkpoint/select-tensors.ts";
export { referenceSearch } from "./codec/reference-search.ts";
export {
  type BlockBatch,
  type BlockCode,
  type BlockCodes,
  type BlockGrid,
  type BlockSearch,
  type BlockSearchOptions,
  bitsPerWeight,
  blockGrid,
  createSeedLibrary,
  decodeRows,
  decodeTensor,
  type EncodeBlockOptions,
  type EncodedBlock,
  type EncodedTensor,
  type EncodeStats,
  type EncodeTensorOptions,
  type ExpBias,
  type ExponentRule,
  emptyBlockCodes,
  encodeBlock,
  encodeTensor,
  type LfsrBits,
  type LfsrConfig,
  type LfsrConfigOptions,
  type LfsrLayout,
  type LfsrTensor,
  lfsrConfig,
  payloadBytes,
  payloadSizes,
  type RowRange,
  readBlockCode,
  type SeedLibrary,
  type SourceDtype,
  sameConfig,
  type WorstBlock,
} from "./codec.ts";
export { lfsrEntries } from "./container/lfsr-entries.ts";
export { nanoEntries, readNanoTensor } from "./container/nano-seed-lm.ts";
export { lfsrTensorNames, readLfsrTensor } from "./container/read-lfsr-tensor.ts";
export { readImportance, writeImportance } from "./importance/importance-file.ts";
export { type ObservedInputs, observeInputs } from "./importance/observe-inputs.ts";
export { LfsrCoefficients } from "./matrix/lfsr-coefficients.ts";
export { lfsrContainer } from "./matrix/lfsr-container.ts";
export { lfsrMatMul } from "./matrix/lfsr-mat-mul.ts";
export { LfsrMatrix, type LfsrMatrixOptions, type LfsrMode } from "./matrix/lfsr-matrix.ts";
export {
  basisMatrix,
  indexToSeed,
  integerBasis,
  isMaximalLength,
  type LfsrRegister,
  lfsrJump,
  lfsrSequence,
  lfsrStates,
  lfsrStep,
  lfsrTaps,
  seedToIndex,
} from "./register.ts";
export { createSearch, type SearchOptions } from "./search/create-search.ts";
export { type WebGpuSearch, webGpuSearch } from "./search/webgpu/webgpu-search.ts";
export type { WorkerSearch } from "./search/worker-search.ts";
export { workerSource as lfsrWorkerSource } from "./search/worker-source.ts";
