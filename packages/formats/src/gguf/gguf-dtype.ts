/** Element types of GGUF that we write. */
export type GgufDtype = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0";

export interface GgufLayout {
  /** The type's number in the file. */
  readonly id: number;
  /** Elements of a block: a row is a whole number of blocks. */
  readonly blockSize: number;
  readonly blockBytes: number;
}

/** @see ggml-org/ggml, include/ggml.h, enum ggml_type; src/ggml-common.h, block_q8_0 and block_q4_0 */
export const ggufLayouts: Readonly<Record<GgufDtype, GgufLayout>> = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
};
