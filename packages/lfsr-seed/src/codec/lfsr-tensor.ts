import type { LfsrConfig } from "./config.ts";

/** `rows`: every row is padded to whole blocks, none straddles two rows. `flat`: the tensor is padded once. */
export type LfsrLayout = "rows" | "flat";

/** What the weights were before. Kept for those who write them back; decoding gives float32. */
export type SourceDtype = "F32" | "F16" | "BF16";

/** A tensor as seeds and coefficients: plain data, the bytes of the container. */
export interface LfsrTensor {
  readonly config: LfsrConfig;
  /** Sizes of the axes, 1 to 4. Rows are the product of all but the last, columns the last. */
  readonly shape: readonly number[];
  readonly layout: LfsrLayout;
  /** The exponent that code 0 stands for: a block's exponent is `expBias + code`, code 0..15. */
  readonly expBias: number;
  /** Register state of each block, 1..2^K - 1, row-major [blocks]: Uint16Array where K <= 16. */
  readonly seeds: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  /**
   * Nibbles of each block, two a byte, the even one low. P odd, [blocks, (P + 1) / 2]: nibble 0 is the exponent code,
   * nibbles 1..P the coefficients. P even, [blocks, P / 2]: the coefficients alone. Coefficients are 4-bit two's
   * complement.
   */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** Exponent codes where P is even, two a byte, the even block low [ceil(blocks / 2)]; empty where P is odd. */
  readonly exponents: Uint8Array<ArrayBuffer>;
  readonly sourceDtype: SourceDtype;
}

/** How a shape falls into blocks. */
export interface BlockGrid {
  /** Weights in a block. */
  readonly C: number;
  readonly layout: LfsrLayout;
  readonly rows: number;
  readonly cols: number;
  /** Blocks in a row of layout `rows`; all blocks in layout `flat`. */
  readonly blocksPerRow: number;
  readonly blocks: number;
  /** Weights, without padding. */
  readonly size: number;
}

/** Rows, columns and blocks of a shape. @throws RangeError when the shape has no axis, more than 4, or a wrong size */
export function blockGrid(who: string, shape: readonly number[], C: number, layout: LfsrLayout): BlockGrid {
  const isSize = (n: number) => Number.isSafeInteger(n) && n >= 0;
  const size = shape.reduce((product, n) => product * n, 1);
  if (shape.length < 1 || shape.length > 4 || !shape.every(isSize) || !Number.isSafeInteger(size)) {
    throw new RangeError(
      `${who}: shape is [${shape}], expected 1 to 4 integers >= 0, and fewer than 2^53 weights. Reshape it first.`,
    );
  }
  const cols = shape[shape.length - 1] as number;
  const rows = shape.slice(0, -1).reduce((product, n) => product * n, 1);
  const blocksPerRow = Math.ceil((layout === "rows" ? cols : size) / C);
  const blocks = layout === "rows" ? rows * blocksPerRow : blocksPerRow;
  return { C, layout, rows, cols, blocksPerRow, blocks, size };
}

/** Bytes of the codes of `blocks` blocks: seeds, nibbles and exponents, as in `LfsrTensor`. */
export function payloadSizes(blocks: number, { P, K }: LfsrConfig) {
  const isOdd = P % 2 === 1;
  return {
    seeds: blocks * (K <= 16 ? 2 : 4),
    codes: blocks * (isOdd ? (P + 1) / 2 : P / 2),
    exponents: isOdd ? 0 : Math.ceil(blocks / 2),
  };
}

/** Room for the codes of `blocks` blocks, all 0. */
export function emptyPayload(
  blocks: number,
  config: LfsrConfig,
): Pick<LfsrTensor, "seeds" | "codes" | "exponents"> {
  const sizes = payloadSizes(blocks, config);
  return {
    seeds: config.K <= 16 ? new Uint16Array(blocks) : new Uint32Array(blocks),
    codes: new Uint8Array(sizes.codes),
    exponents: new Uint8Array(sizes.exponents),
  };
}

/** Bytes of a tensor's codes. A file adds 64 bytes of configuration, and names. */
export function payloadBytes({ seeds, codes, exponents }: LfsrTensor): number {
  return seeds.byteLength + codes.byteLength + exponents.byteLength;
}
