import { lfsrConfig } from "../codec/config.ts";
import {
  blockGrid,
  type LfsrLayout,
  type LfsrTensor,
  payloadSizes,
  type SourceDtype,
} from "../codec/lfsr-tensor.ts";

// The sixteen int32 that a payload begins with. assembly/payload.ts reads the same.
const HEADER = 16;
const ROWS = 0;
const COLUMNS = 1;
const SIZE_C = 2;
const SIZE_P = 3;
const SIZE_K = 4;
const TAPS = 5;
const DECIMATION = 6;
const EXP_BIAS = 7;
const IS_FLAT = 8;
const GROUPS = 9;
const LANES = 10;
const CODES_AT = 11;
const EXPONENTS_AT = 12;
const SOURCE_DTYPE = 13;
const LAYOUT = 14;

const layouts: readonly LfsrLayout[] = ["flat", "rows"];
const sourceDtypes: readonly SourceDtype[] = ["F32", "F16", "BF16"];
const tile = 64; // blocks that are copied while their cache lines are at hand

/** How the blocks of a matrix lie on the device. */
export interface PayloadGrid {
  /** Whether a block may straddle rows: then blocks are in the order of the file. */
  readonly isFlat: boolean;
  /** Blocks side by side: the rows, or eight blocks in a row; a multiple of eight. */
  readonly lanes: number;
  readonly groups: number;
  readonly byteLength: number;
}

/** @throws RangeError when the tensor is no matrix */
export function payloadGrid({
  config,
  shape,
  layout,
}: Pick<LfsrTensor, "config" | "shape" | "layout">): PayloadGrid {
  if (shape.length !== 2) {
    throw new RangeError(
      `LfsrMatrix: the tensor is [${shape}], expected two axes, rows and columns. Reshape the weights before they are encoded.`,
    );
  }
  const { rows, cols, blocks } = blockGrid("LfsrMatrix", shape, config.C, layout);
  const isFlat = layout === "flat" && cols % config.C !== 0;
  const lanes = isFlat ? 8 : Math.ceil(rows / 8) * 8;
  const groups = Math.ceil(isFlat ? blocks / 8 : cols / config.C);
  const sizes = payloadSizes(lanes * groups, config);
  return {
    isFlat,
    lanes,
    groups,
    byteLength: HEADER * 4 + align(sizes.seeds) + align(sizes.codes) + align(sizes.exponents),
  };
}

/**
 * A matrix as one piece of memory for the device: a description, then seeds, codes and exponents with the blocks of
 * one group of columns side by side, so that kernels read them in straight lines whatever the row.
 */
export function packPayload(tensor: LfsrTensor): Int32Array<ArrayBuffer> {
  const { config, shape, expBias, sourceDtype } = tensor;
  const grid = payloadGrid(tensor);
  const words = new Int32Array(grid.byteLength / 4);
  const { seeds, codes, exponents, codesAt, exponentsAt } = sections(words, tensor, grid);
  words[ROWS] = shape[0] as number;
  words[COLUMNS] = shape[1] as number;
  words[SIZE_C] = config.C;
  words[SIZE_P] = config.P;
  words[SIZE_K] = config.K;
  words[TAPS] = config.taps;
  words[DECIMATION] = config.decimation;
  words[EXP_BIAS] = expBias;
  words[IS_FLAT] = Number(grid.isFlat);
  words[GROUPS] = grid.groups;
  words[LANES] = grid.lanes;
  words[CODES_AT] = codesAt;
  words[EXPONENTS_AT] = exponentsAt;
  words[SOURCE_DTYPE] = sourceDtypes.indexOf(sourceDtype);
  words[LAYOUT] = layouts.indexOf(tensor.layout);
  seeds.fill(1); // of blocks that the matrix lacks; 0 is no seed
  const codeBytes = payloadSizes(1, config).codes;
  eachBlock(tensor, grid, (block, at) => {
    seeds[at] = tensor.seeds[block] as number;
    for (let i = 0; i < codeBytes; i++)
      codes[at * codeBytes + i] = tensor.codes[block * codeBytes + i] as number;
    if (exponents.length > 0) putNibble(exponents, at, nibbleOf(tensor.exponents, block));
  });
  return words;
}

/** The tensor that a payload was packed from. */
export function unpackPayload(words: Int32Array): LfsrTensor {
  const header = (field: number) => words[field] as number;
  const config = lfsrConfig({
    C: header(SIZE_C),
    P: header(SIZE_P),
    K: header(SIZE_K),
    taps: header(TAPS),
    decimation: header(DECIMATION),
  });
  const shape = [header(ROWS), header(COLUMNS)];
  const layout = layouts[header(LAYOUT)] as LfsrLayout;
  const { blocks } = blockGrid("LfsrMatrix", shape, config.C, layout);
  const sizes = payloadSizes(blocks, config);
  const tensor: LfsrTensor = {
    config,
    shape,
    layout,
    expBias: header(EXP_BIAS),
    seeds: config.K <= 16 ? new Uint16Array(blocks) : new Uint32Array(blocks),
    codes: new Uint8Array(sizes.codes),
    exponents: new Uint8Array(sizes.exponents),
    sourceDtype: sourceDtypes[header(SOURCE_DTYPE)] as SourceDtype,
  };
  const grid = payloadGrid(tensor);
  const { seeds, codes, exponents } = sections(words, tensor, grid);
  const codeBytes = payloadSizes(1, config).codes;
  eachBlock(tensor, grid, (block, at) => {
    tensor.seeds[block] = seeds[at] as number;
    for (let i = 0; i < codeBytes; i++)
      tensor.codes[block * codeBytes + i] = codes[at * codeBytes + i] as number;
    if (exponents.length > 0) putNibble(tensor.exponents, block, nibbleOf(exponents, at));
  });
  return tensor;
}

function sections(words: Int32Array, { config }: LfsrTensor, { lanes, groups }: PayloadGrid) {
  const blocks = lanes * groups;
  const sizes = payloadSizes(blocks, config);
  const seedsAt = words.byteOffset + HEADER * 4;
  const codesAt = HEADER * 4 + align(sizes.seeds);
  const exponentsAt = codesAt + align(sizes.codes);
  const Seeds = config.K <= 16 ? Uint16Array : Uint32Array;
  return {
    seeds: new Seeds(words.buffer as ArrayBuffer, seedsAt, blocks),
    codes: new Uint8Array(words.buffer, words.byteOffset + codesAt, sizes.codes),
    exponents: new Uint8Array(words.buffer, words.byteOffset + exponentsAt, sizes.exponents),
    codesAt,
    exponentsAt,
  };
}

/** Calls `copy` with each block of the file and its place in the payload. */
function eachBlock(
  { shape, config, layout }: LfsrTensor,
  { isFlat, lanes, groups }: PayloadGrid,
  copy: (block: number, at: number) => void,
): void {
  const [rows = 0] = shape;
  if (isFlat) {
    const { blocks } = blockGrid("LfsrMatrix", shape, config.C, layout);
    for (let block = 0; block < blocks; block++) copy(block, block);
    return;
  }
  for (let from = 0; from < rows; from += tile) {
    const to = Math.min(rows, from + tile);
    for (let group = 0; group < groups; group++) {
      for (let row = from; row < to; row++) copy(row * groups + group, group * lanes + row);
    }
  }
}

function nibbleOf(bytes: Uint8Array, k: number): number {
  return ((bytes[k >> 1] as number) >> ((k & 1) << 2)) & 15;
}

/** Writes where 0 stands. */
function putNibble(bytes: Uint8Array, k: number, value: number): void {
  bytes[k >> 1] = (bytes[k >> 1] as number) | (value << ((k & 1) << 2));
}

function align(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
