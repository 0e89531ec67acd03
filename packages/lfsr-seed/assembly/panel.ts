// Eight blocks to floats at once. What each weight gets is exact, an integer times float32(1 / H) 2^exponent, rounded
// once. The kernels of one configuration each never touch a table: the bits after a seed come from shifts of eight
// seeds side by side, and a state is a shift of 32 neighbouring bits.

import { storeTransposed } from "../../tensor/assembly/pack";
import { constant } from "../../tensor/assembly/simd";
import { ANY, FOUR, FOUR_HALF, codeBytes, expBiasOf, sizeC, sizeK, sizeP, unitOf } from "./payload";
import { stepByTable } from "./stream";

/**
 * The 16 bits that follow 16 others in the streams of eight registers, the oldest bit lowest.
 *
 * With x_{n+16} = x_n + x_{n+1} + x_{n+3} + x_{n+12} over GF(2) and z a shift to the left, the next word is
 * r + (z^4 + z^13 + z^15) next, where r is what the known bits give; and mod z^16
 * 1 / (1 + z^4 + z^13 + z^15) = (1 + z^4)(1 + z^8) + z^13 + z^15.
 */
// @ts-ignore: decorator
@inline
function nextWord(word: v128): v128 {
  const r = v128.xor(
    v128.xor(word, i16x8.shr_u(word, 1)),
    v128.xor(i16x8.shr_u(word, 3), i16x8.shr_u(word, 12)),
  );
  const fours = v128.xor(r, i16x8.shl(r, 4));
  const ends = i16x8.shl(v128.xor(r, i16x8.shl(r, 2)), 13);
  return v128.xor(v128.xor(fours, i16x8.shl(fours, 8)), ends);
}

// @ts-ignore: decorator
@inline
function zipLow(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
// @ts-ignore: decorator
@inline
function zipHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** States n and n + 1 side by side as S = V - 2^15, of 32 bits in each lane; n <= 15. */
// @ts-ignore: decorator
@inline
function twoStates(n: i32, bits: v128, flip: v128): v128 {
  const first = n == 0 ? bits : i32x4.shr_u(bits, n);
  const second = n == 15 ? bits : i32x4.shl(bits, 15 - n);
  return v128.xor(v128.shuffle<i16>(first, second, 0, 9, 2, 11, 4, 13, 6, 15), flip);
}

/** Weight c of four blocks, P = 3; `bits` from bit `start` of their streams on. q2 has 0 beside each. */
// @ts-ignore: decorator
@inline
function weight3(c: i32, start: i32, bits: v128, q01: v128, q2: v128, scale: v128, flip: v128): v128 {
  const n = 3 * c + 1 - start;
  const third = v128.xor(i32x4.shr_u(bits, n + 2), flip);
  const sum = i32x4.add(i32x4.dot_i16x8_s(twoStates(n, bits, flip), q01), i32x4.dot_i16x8_s(third, q2));
  return f32x4.mul(f32x4.convert_i32x4_s(sum), scale);
}

/** Weight c of four blocks, P = 4. */
// @ts-ignore: decorator
@inline
function weight4(c: i32, start: i32, bits: v128, q01: v128, q23: v128, scale: v128, flip: v128): v128 {
  const n = 4 * c + 1 - start;
  const sum = i32x4.add(
    i32x4.dot_i16x8_s(twoStates(n, bits, flip), q01),
    i32x4.dot_i16x8_s(twoStates(n + 2, bits, flip), q23),
  );
  return f32x4.mul(f32x4.convert_i32x4_s(sum), scale);
}

/**
 * Weights c to c + 3 of four blocks: a vector each `stride` bytes apart, or as rows four neighbours of each block.
 */
// @ts-ignore: decorator
@inline
function storeFour(asRows: bool, a: v128, b: v128, c: v128, d: v128, dst: usize, stride: usize): void {
  if (asRows) {
    storeTransposed(a, b, c, d, dst, stride);
    return;
  }
  v128.store(dst, a);
  v128.store(dst + stride, b);
  v128.store(dst + 2 * stride, c);
  v128.store(dst + 3 * stride, d);
}

/** unit 2^(expBias + code) of four lanes: the code goes to the field of the exponent. */
// @ts-ignore: decorator
@inline
function scales(codes: v128, lowest: v128): v128 {
  return i32x4.add(i32x4.shl(codes, 23), lowest);
}

/** The bits of float32(1 / (2^15 - 1)) 2^expBias, in four lanes. */
// @ts-ignore: decorator
@inline
function lowestScale(m: usize): v128 {
  return i32x4.splat(0x38000100 + (expBiasOf(m) << 23));
}

/** Eight exponent codes, a nibble each at `exponents`, as i16x8. */
// @ts-ignore: decorator
@inline
function exponentCodes(exponents: usize): v128 {
  const bytes = v128.load32_zero(exponents);
  const twice = i16x8.extend_low_i8x16_u(v128.shuffle<i8>(bytes, bytes, 0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0));
  const moved = i16x8.mul(twice, v128(16, 0, 1, 0, 16, 0, 1, 0, 16, 0, 1, 0, 16, 0, 1, 0)); // even lanes want the low nibble
  return v128.and(i16x8.shr_u(moved, 4), i16x8.splat(15));
}

/** Four blocks of C = 8, P = 3. near: bits 0 to 31 of their streams; far: 16 to 47. */
// @ts-ignore: decorator
@inline
function fourBlocks3(
  asRows: bool, near: v128, far: v128, q01: v128, q2: v128, scale: v128, flip: v128, dst: usize, stride: usize,
): void {
  const step = asRows ? 16 : 4 * stride;
  storeFour(
    asRows,
    weight3(0, 0, near, q01, q2, scale, flip), weight3(1, 0, near, q01, q2, scale, flip),
    weight3(2, 0, near, q01, q2, scale, flip), weight3(3, 0, near, q01, q2, scale, flip),
    dst, stride,
  );
  storeFour(
    asRows,
    weight3(4, 0, near, q01, q2, scale, flip), weight3(5, 16, far, q01, q2, scale, flip),
    weight3(6, 16, far, q01, q2, scale, flip), weight3(7, 16, far, q01, q2, scale, flip),
    dst + step, stride,
  );
}

/** Eight blocks of C = 8, P = 3. */
// @ts-ignore: decorator
@inline
function blocks3(asRows: bool, m: usize, seeds: usize, codes: usize, dst: usize, stride: usize): void {
  const w0 = v128.load(seeds);
  const w1 = nextWord(w0);
  const w2 = nextWord(w1);
  const words = v128.load(codes); // exponent code, q0, q1, q2 from the lowest nibble on
  const q0 = i16x8.shr_s(i16x8.shl(words, 8), 12);
  const q1 = i16x8.shr_s(i16x8.shl(words, 4), 12);
  const q2 = i16x8.shr_s(words, 12);
  const exponents = i16x8.shr_u(i16x8.shl(words, 12), 12);
  const lowest = lowestScale(m);
  const flip = constant(0x80008000);
  fourBlocks3(
    asRows, zipLow(w0, w1), zipLow(w1, w2), zipLow(q0, q1), i32x4.extend_low_i16x8_u(q2),
    scales(i32x4.extend_low_i16x8_u(exponents), lowest), flip, dst, stride,
  );
  fourBlocks3(
    asRows, zipHigh(w0, w1), zipHigh(w1, w2), zipHigh(q0, q1), i32x4.extend_high_i16x8_u(q2),
    scales(i32x4.extend_high_i16x8_u(exponents), lowest), flip, dst + (asRows ? 4 * stride : 16), stride,
  );
}

/** Four blocks of P = 4. near, far, last: bits 0, 16 and 32 of their streams and the 31 after each. */
// @ts-ignore: decorator
@inline
function fourBlocks4(
  C: i32, asRows: bool, near: v128, far: v128, last: v128, q01: v128, q23: v128, scale: v128, flip: v128, dst: usize,
  stride: usize,
): void {
  const step = asRows ? 16 : 4 * stride;
  storeFour(
    asRows,
    weight4(0, 0, near, q01, q23, scale, flip), weight4(1, 0, near, q01, q23, scale, flip),
    weight4(2, 0, near, q01, q23, scale, flip), weight4(3, 0, near, q01, q23, scale, flip),
    dst, stride,
  );
  storeFour(
    asRows,
    weight4(4, 16, far, q01, q23, scale, flip), weight4(5, 16, far, q01, q23, scale, flip),
    weight4(6, 16, far, q01, q23, scale, flip), weight4(7, 16, far, q01, q23, scale, flip),
    dst + step, stride,
  );
  if (C == 8) return;
  storeFour(
    asRows,
    weight4(8, 32, last, q01, q23, scale, flip), weight4(9, 32, last, q01, q23, scale, flip),
    weight4(10, 32, last, q01, q23, scale, flip), weight4(11, 32, last, q01, q23, scale, flip),
    dst + 2 * step, stride,
  );
}

/** Eight blocks of C = 8 or 12, P = 4. */
// @ts-ignore: decorator
@inline
function blocks4(
  C: i32, asRows: bool, m: usize, seeds: usize, codes: usize, exponents: usize, dst: usize, stride: usize,
): void {
  const w0 = v128.load(seeds);
  const w1 = nextWord(w0);
  const w2 = nextWord(w1);
  const w3 = C == 8 ? w2 : nextWord(w2);
  const words = v128.load(codes); // q0 to q3 from the lowest nibble on
  const q0 = i16x8.shr_s(i16x8.shl(words, 12), 12);
  const q1 = i16x8.shr_s(i16x8.shl(words, 8), 12);
  const q2 = i16x8.shr_s(i16x8.shl(words, 4), 12);
  const q3 = i16x8.shr_s(words, 12);
  const codesOf = exponentCodes(exponents);
  const lowest = lowestScale(m);
  const flip = constant(0x80008000);
  fourBlocks4(
    C, asRows, zipLow(w0, w1), zipLow(w1, w2), zipLow(w2, w3), zipLow(q0, q1), zipLow(q2, q3),
    scales(i32x4.extend_low_i16x8_u(codesOf), lowest), flip, dst, stride,
  );
  fourBlocks4(
    C, asRows, zipHigh(w0, w1), zipHigh(w1, w2), zipHigh(w2, w3), zipHigh(q0, q1), zipHigh(q2, q3),
    scales(i32x4.extend_high_i16x8_u(codesOf), lowest), flip, dst + (asRows ? 4 * stride : 16), stride,
  );
}

/** Nibble k of those at an address. */
// @ts-ignore: decorator
@inline
function nibble(address: usize, k: i32): i32 {
  return (<i32>load<u8>(address + <usize>(k >> 1)) >> ((k & 1) << 2)) & 15;
}

/** Any configuration, state by state: weight c of block i goes to `c cStride + i stride` bytes behind dst. */
function blocksOfAny(
  m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize, cStride: usize, stride: usize,
): void {
  const C = sizeC(m), P = sizeP(m), K = sizeK(m), bytes = <usize>codeBytes(m);
  const odd = P & 1;
  const half = 1 << (K - 1);
  const unit = unitOf(m);
  for (let block = 0; block < 8; block++, codes += bytes, dst += stride) {
    const code = odd ? nibble(codes, 0) : nibble(exponents, block);
    const scale = unit * reinterpret<f32>((127 + expBiasOf(m) + code) << 23);
    let state: u32 = K <= 16 ? <u32>load<u16>(seeds + (<usize>block << 1)) : load<u32>(seeds + (<usize>block << 2));
    let to = dst;
    for (let c = 0; c < C; c++, to += cStride) {
      let sum = 0;
      for (let p = 0; p < P; p++) {
        state = stepByTable(tables, state);
        sum += (<i32>state - half) * ((nibble(codes, odd + p) << 28) >> 28);
      }
      store<f32>(to, <f32>sum * scale);
    }
  }
}

/**
 * Eight blocks as a panel [C, 8].
 *
 * @param seeds, codes - of the eight, side by side
 * @param exponents - their codes, a nibble each; P even
 * @param tables - as `fillTables` made them, for `kind` ANY
 */
export function decodePanel(
  kind: i32, m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize,
): void {
  if (kind == FOUR) blocks3(false, m, seeds, codes, dst, 32);
  else if (kind == FOUR_HALF) blocks4(8, false, m, seeds, codes, exponents, dst, 32);
  else if (kind == ANY) blocksOfAny(m, tables, seeds, codes, exponents, dst, 32, 4);
  else blocks4(12, false, m, seeds, codes, exponents, dst, 32);
}

/** As `decodePanel`, eight rows of C, `stride` bytes apart. */
export function decodeLines(
  kind: i32, m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize, stride: usize,
): void {
  if (kind == FOUR) blocks3(true, m, seeds, codes, dst, stride);
  else if (kind == FOUR_HALF) blocks4(8, true, m, seeds, codes, exponents, dst, stride);
  else if (kind == ANY) blocksOfAny(m, tables, seeds, codes, exponents, dst, 4, stride);
  else blocks4(12, true, m, seeds, codes, exponents, dst, stride);
}
