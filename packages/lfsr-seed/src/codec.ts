export { type BlockCode, readBlockCode } from "./codec/block-code.ts";
export {
  type BlockBatch,
  type BlockCodes,
  type BlockSearch,
  type BlockSearchOptions,
  emptyBlockCodes,
  sameConfig,
} from "./codec/block-search.ts";
export {
  bitsPerWeight,
  type LfsrBits,
  type LfsrConfig,
  type LfsrConfigOptions,
  lfsrConfig,
} from "./codec/config.ts";
export { decodeRows, decodeTensor, type RowRange } from "./codec/decode.ts";
export { type EncodeBlockOptions, type EncodedBlock, encodeBlock } from "./codec/encode-block.ts";
export type { EncodeStats, WorstBlock } from "./codec/encode-stats.ts";
export { type EncodedTensor, type EncodeTensorOptions, encodeTensor } from "./codec/encode-tensor.ts";
export type { ExpBias } from "./codec/exponent-bias.ts";
export type { ExponentRule } from "./codec/exponent-rule.ts";
export {
  type BlockGrid,
  blockGrid,
  type LfsrLayout,
  type LfsrTensor,
  payloadBytes,
  payloadSizes,
  type SourceDtype,
} from "./codec/lfsr-tensor.ts";
export { createSeedLibrary, type SeedLibrary } from "./codec/seed-library.ts";
