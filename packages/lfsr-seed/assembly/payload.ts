// A packed matrix in memory: sixteen int32 that describe it, the seeds, the nibbles of the blocks, and for even P
// those of the exponents. Written by src/matrix/payload.ts. Block (group, lane) is the number group * lanes + lane in
// each of the three, so that neighbouring lanes are neighbours in memory. In layout `rows` a lane is a row of the
// matrix and a group C of its columns; in layout `flat` blocks follow each other as in the file, eight to a group.
// Lanes are a multiple of eight; blocks that the matrix lacks have seed 1 and zeros.

// @ts-ignore: decorator
@inline
export function rowsOf(m: usize): i32 {
  return load<i32>(m);
}
// @ts-ignore: decorator
@inline
export function columnsOf(m: usize): i32 {
  return load<i32>(m, 4);
}
/** Weights in a block. */
// @ts-ignore: decorator
@inline
export function sizeC(m: usize): i32 {
  return load<i32>(m, 8);
}
/** Coefficients of a block. */
// @ts-ignore: decorator
@inline
export function sizeP(m: usize): i32 {
  return load<i32>(m, 12);
}
/** Bits of a seed. */
// @ts-ignore: decorator
@inline
export function sizeK(m: usize): i32 {
  return load<i32>(m, 16);
}
// @ts-ignore: decorator
@inline
export function tapsOf(m: usize): u32 {
  return load<u32>(m, 20);
}
// @ts-ignore: decorator
@inline
export function decimationOf(m: usize): i32 {
  return load<i32>(m, 24);
}
// @ts-ignore: decorator
@inline
export function expBiasOf(m: usize): i32 {
  return load<i32>(m, 28);
}
// @ts-ignore: decorator
@inline
export function isFlat(m: usize): bool {
  return load<i32>(m, 32) != 0;
}
// @ts-ignore: decorator
@inline
export function groupsOf(m: usize): i32 {
  return load<i32>(m, 36);
}
// @ts-ignore: decorator
@inline
export function lanesOf(m: usize): i32 {
  return load<i32>(m, 40);
}

/** The address of a block's seed, which has 2 bytes where K <= 16, else 4. */
// @ts-ignore: decorator
@inline
export function seedsAt(m: usize, block: usize): usize {
  return m + 64 + (block << (sizeK(m) <= 16 ? 1 : 2));
}

/** Bytes of a block's nibbles: of its coefficients, and in front of them for odd P the exponent code. */
// @ts-ignore: decorator
@inline
export function codeBytes(m: usize): i32 {
  return (sizeP(m) + 1) >> 1;
}

// @ts-ignore: decorator
@inline
export function codesAt(m: usize, block: usize): usize {
  return m + <usize>load<u32>(m, 44) + block * <usize>codeBytes(m);
}

/** The address of the exponent codes of an even block and the next; P even. */
// @ts-ignore: decorator
@inline
export function exponentsAt(m: usize, block: usize): usize {
  return m + <usize>load<u32>(m, 48) + (block >> 1);
}

/** Configurations with kernels of their own: K = 16, the paper's taps, decimation 1. */
// @ts-ignore: decorator
@inline
export const ANY: i32 = 0;
/** 4 bits: C = 8, P = 3. */
// @ts-ignore: decorator
@inline
export const FOUR: i32 = 1;
/** 4.5 bits: C = 8, P = 4. */
// @ts-ignore: decorator
@inline
export const FOUR_HALF: i32 = 2;
/** 3 bits: C = 12, P = 4. */
// @ts-ignore: decorator
@inline
export const THREE: i32 = 3;

// @ts-ignore: decorator
@inline
const PAPER_TAPS: u32 = 0x100b;

export function kindOf(m: usize): i32 {
  if (sizeK(m) != 16 || tapsOf(m) != PAPER_TAPS || decimationOf(m) != 1) return ANY;
  const C = sizeC(m), P = sizeP(m);
  if (C == 8 && P == 3) return FOUR;
  if (C == 8 && P == 4) return FOUR_HALF;
  return C == 12 && P == 4 ? THREE : ANY;
}

/** float32(1 / (2^(K-1) - 1)): what an integer of a block is multiplied by, before 2^exponent. */
// @ts-ignore: decorator
@inline
export function unitOf(m: usize): f32 {
  return <f32>(1.0 / <f64>((1 << (sizeK(m) - 1)) - 1));
}
