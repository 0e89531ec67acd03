export { blobSource } from "./blob-source.ts";
export { borrowedSource } from "./borrowed-source.ts";
export type { ByteSink } from "./byte-sink.ts";
export { type ByteSource, type ByteSourceParts, createByteSource, type ReadOptions } from "./byte-source.ts";
export { type ByteTokenizer, type ByteTokenizerOptions, byteTokenizer } from "./byte-tokenizer.ts";
export { type BytesSink, bytesSink } from "./bytes-sink.ts";
export { bytesSource } from "./bytes-source.ts";
export { arrayOf, type Dtype, type DtypeArray, dtypes, isDtype, type TensorData } from "./dtype.ts";
export { fileError } from "./file-error.ts";
export { fileSink } from "./file-sink.ts";
export { fileSource } from "./file-source.ts";
export { toGgufBlocks } from "./gguf/gguf-blocks.ts";
export { type GgufDtype, type GgufLayout, ggufLayouts } from "./gguf/gguf-dtype.ts";
export type { GgufMetadata, GgufNumber, GgufValue } from "./gguf/gguf-metadata.ts";
export { type GgufEntry, type WriteGgufOptions, writeGguf } from "./gguf/write-gguf.ts";
export { type HttpSourceOptions, httpSource } from "./http-source.ts";
export { type CachedModel, type HubCache, hubCache } from "./hub/hub-cache.ts";
export { type HubOptions, openHub } from "./hub/open-hub.ts";
export { makeFolder } from "./make-folder.ts";
export { checkNode } from "./node-builtin.ts";
export { openCheckpoint } from "./open-checkpoint.ts";
export { openModelFiles } from "./open-model-files.ts";
export { openSafetensors } from "./open-safetensors.ts";
export type { PackedContainer, PackedInfo } from "./packed-container.ts";
export { readJson } from "./read-json.ts";
export type { TensorFile, TensorInfo } from "./tensor-file.ts";
export { toFloat32 } from "./to-float32.ts";
export type { TokenDecoder, Tokenizer } from "./tokenizer.ts";
export {
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateOptions,
  chatTemplate,
  plainChatTemplate,
} from "./tokenizers/chat-template.ts";
export { type JsonTokenizerOptions, jsonTokenizer } from "./tokenizers/json-tokenizer.ts";
export { loadTokenizer } from "./tokenizers/load-tokenizer.ts";
export {
  parseSentencePiece,
  type SentencePiece,
  type SentencePieceModel,
} from "./tokenizers/parse-sentencepiece.ts";
export { sentencePieceTokenizer } from "./tokenizers/sentencepiece-tokenizer.ts";
export { writeJson } from "./write-json.ts";
export {
  type SafetensorsEntry,
  type WriteSafetensorsOptions,
  writeSafetensors,
} from "./write-safetensors.ts";
