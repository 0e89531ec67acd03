export { cpu } from "@corenet/backend-cpu";
export { wasm } from "@corenet/backend-wasm";
export { webgpu } from "@corenet/backend-webgpu";
export { isAbortError, type OnProgress, type Progress, Rng } from "@corenet/core";
export {
  byteTokenizer,
  type HubOptions,
  loadTokenizer,
  openHub,
  openModelFiles,
  type Tokenizer,
} from "@corenet/formats";
export { compressCheckpoint, decodeTensor, encodeTensor, LfsrMatrix, lfsrMatMul } from "@corenet/lfsr-seed";
export { type CausalLm, crossEntropy, type GenerateOptions, generate, KvCache } from "@corenet/nn";
export {
  countParameters,
  createOpenElm,
  loadOpenElm,
  OpenElm,
  type OpenElmConfig,
  openElmConfig,
  saveOpenElm,
} from "@corenet/openelm";
export {
  disposeTree,
  memory,
  readData,
  type Tensor,
  takeData,
  tensor,
  tidy,
  useBackend,
  valueAndGrad,
} from "@corenet/tensor";
export { cosineSchedule, type TrainOptions, type TrainResult, train } from "@corenet/train";
export { generateText, type TextOptions } from "./generate-text.ts";
export { type BitsPerByteOptions, bitsPerByte } from "./text/bits-per-byte.ts";
export { splitText, type TextSplit } from "./text/split-text.ts";
export { type TextBatch, type WindowBatchesOptions, windowBatches } from "./text/window-batches.ts";
