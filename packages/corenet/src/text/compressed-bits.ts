import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** What general compressors need for a text, in bits per byte of it. */
export interface CompressedBits {
  /** gzip -9 */
  readonly gzip: number;
  /** brotli at its best quality, 11, told that it is text */
  readonly brotli: number;
}

/** Compresses the blocks, joined. */
export function compressedBits(blocks: readonly Uint8Array[]): CompressedBits {
  const text = Buffer.concat(blocks);
  const bits = (compressed: Uint8Array) => (8 * compressed.length) / text.length;
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    [constants.BROTLI_PARAM_SIZE_HINT]: text.length,
  };
  return { gzip: bits(gzipSync(text, { level: 9 })), brotli: bits(brotliCompressSync(text, { params })) };
}
