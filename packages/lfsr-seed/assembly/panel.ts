// Eight blocks to floats at once, one in each lane: a panel [C, 8]. What a lane gets is exact, an integer times
// float32(1 / H) 2^exponent, rounded once.

import {
  ANY, FOUR, FOUR_HALF, codeBytes, expBiasOf, kindOf, sizeC, sizeK, sizeP, unitOf,
} from "./payload";
import { bitsByTable, stepByTable } from "./stream";

/** State n of eight registers as S = V - 2^15: the 16 bits from bit n on of 64, of which w0 to w3 are the sixteens. */
// @ts-ignore: decorator
@inline
function stateOf(n: i32, w0: v128, w1: v128, w2: v128, w3: v128, flip: v128): v128 {
  let low: v128, high: v128;
  if (n < 16) {
    low = w0;
    high = w1;
  } else if (n < 32) {
    low = w1;
    high = w2;
  } else {
    low = w2;
    high = w3;
  }
  const at = n & 15;
  if (n == 48) return v128.xor(w3, flip);
  if (at == 0) return v128.xor(low, flip);
  return v128.xor(v128.or(i16x8.shr_u(low, at), i16x8.shl(high, 16 - at)), flip);
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

/** Weight c of eight blocks, P = 3. qLow, qHigh: q0 and q1 side by side. */
// @ts-ignore: decorator
@inline
function weights3(
  c: i32, w0: v128, w1: v128, w2: v128, flip: v128, qLow: v128, qHigh: v128, q2: v128, low: v128, high: v128,
  dst: usize,
): void {
  const s0 = stateOf(3 * c + 1, w0, w1, w2, w2, flip);
  const s1 = stateOf(3 * c + 2, w0, w1, w2, w2, flip);
  const s2 = stateOf(3 * c + 3, w0, w1, w2, w2, flip);
  const a = i32x4.add(i32x4.dot_i16x8_s(zipLow(s0, s1), qLow), i32x4.extmul_low_i16x8_s(s2, q2));
  const b = i32x4.add(i32x4.dot_i16x8_s(zipHigh(s0, s1), qHigh), i32x4.extmul_high_i16x8_s(s2, q2));
  v128.store(dst + <usize>(c << 5), f32x4.mul(f32x4.convert_i32x4_s(a), low));
  v128.store(dst + <usize>(c << 5), f32x4.mul(f32x4.convert_i32x4_s(b), high), 16);
}

/** Weight c of eight blocks, P = 4. */
// @ts-ignore: decorator
@inline
function weights4(
  c: i32, w0: v128, w1: v128, w2: v128, w3: v128, flip: v128, qLow: v128, qHigh: v128, rLow: v128, rHigh: v128,
  low: v128, high: v128, dst: usize,
): void {
  const s0 = stateOf(4 * c + 1, w0, w1, w2, w3, flip);
  const s1 = stateOf(4 * c + 2, w0, w1, w2, w3, flip);
  const s2 = stateOf(4 * c + 3, w0, w1, w2, w3, flip);
  const s3 = stateOf(4 * c + 4, w0, w1, w2, w3, flip);
  const a = i32x4.add(i32x4.dot_i16x8_s(zipLow(s0, s1), qLow), i32x4.dot_i16x8_s(zipLow(s2, s3), rLow));
  const b = i32x4.add(i32x4.dot_i16x8_s(zipHigh(s0, s1), qHigh), i32x4.dot_i16x8_s(zipHigh(s2, s3), rHigh));
  v128.store(dst + <usize>(c << 5), f32x4.mul(f32x4.convert_i32x4_s(a), low));
  v128.store(dst + <usize>(c << 5), f32x4.mul(f32x4.convert_i32x4_s(b), high), 16);
}

/** unit · 2^(bias + code) of four lanes; exact. */
// @ts-ignore: decorator
@inline
function scales(codes: v128, bias: v128, unit: v128): v128 {
  return f32x4.mul(unit, i32x4.shl(i32x4.add(codes, bias), 23));
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

/** C = 8, P = 3. */
function panel3(m: usize, tables: usize, seeds: usize, codes: usize, dst: usize): void {
  const w0 = v128.load(seeds);
  // The bits after the seeds go through memory, at the end of the panel, which is written last.
  for (let i: usize = 0; i < 8; i++) {
    const next = <u32>bitsByTable(tables, load<u16>(seeds + (i << 1)));
    store<u16>(dst + (i << 1), <u16>next, 224);
    store<u16>(dst + (i << 1), <u16>(next >> 16), 240);
  }
  const w1 = v128.load(dst, 224), w2 = v128.load(dst, 240);
  const words = v128.load(codes); // exponent code, q0, q1, q2 from the lowest nibble on
  const q0 = i16x8.shr_s(i16x8.shl(words, 8), 12);
  const q1 = i16x8.shr_s(i16x8.shl(words, 4), 12);
  const q2 = i16x8.shr_s(words, 12);
  const exponents = v128.and(words, i16x8.splat(15));
  const bias = i32x4.splat(127 + expBiasOf(m)), unit = f32x4.splat(unitOf(m));
  const low = scales(i32x4.extend_low_i16x8_u(exponents), bias, unit);
  const high = scales(i32x4.extend_high_i16x8_u(exponents), bias, unit);
  const qLow = zipLow(q0, q1), qHigh = zipHigh(q0, q1);
  const flip = i16x8.splat(-32768);
  weights3(0, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
  weights3(1, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
  weights3(2, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
  weights3(3, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
  weights3(4, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
  weights3(5, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
  weights3(6, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
  weights3(7, w0, w1, w2, flip, qLow, qHigh, q2, low, high, dst);
}

/** C = 8 or 12, P = 4. */
// @ts-ignore: decorator
@inline
function panel4(C: i32, m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize): void {
  const w0 = v128.load(seeds);
  for (let i: usize = 0; i < 8; i++) {
    const next = bitsByTable(tables, load<u16>(seeds + (i << 1)));
    store<u16>(dst + (i << 1), <u16>next, 208);
    store<u16>(dst + (i << 1), <u16>(next >> 16), 224);
    store<u16>(dst + (i << 1), <u16>(next >> 32), 240);
  }
  const w1 = v128.load(dst, 208), w2 = v128.load(dst, 224), w3 = v128.load(dst, 240);
  const words = v128.load(codes); // q0 to q3 from the lowest nibble on
  const q0 = i16x8.shr_s(i16x8.shl(words, 12), 12);
  const q1 = i16x8.shr_s(i16x8.shl(words, 8), 12);
  const q2 = i16x8.shr_s(i16x8.shl(words, 4), 12);
  const q3 = i16x8.shr_s(words, 12);
  const codesOf = exponentCodes(exponents);
  const bias = i32x4.splat(127 + expBiasOf(m)), unit = f32x4.splat(unitOf(m));
  const low = scales(i32x4.extend_low_i16x8_u(codesOf), bias, unit);
  const high = scales(i32x4.extend_high_i16x8_u(codesOf), bias, unit);
  const qLow = zipLow(q0, q1), qHigh = zipHigh(q0, q1), rLow = zipLow(q2, q3), rHigh = zipHigh(q2, q3);
  const flip = i16x8.splat(-32768);
  weights4(0, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(1, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(2, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(3, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(4, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(5, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(6, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(7, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  if (C == 8) return;
  weights4(8, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(9, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(10, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
  weights4(11, w0, w1, w2, w3, flip, qLow, qHigh, rLow, rHigh, low, high, dst);
}

function panel4of8(m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize): void {
  panel4(8, m, tables, seeds, codes, exponents, dst);
}
function panel4of12(m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize): void {
  panel4(12, m, tables, seeds, codes, exponents, dst);
}

/** Nibble k of those at an address. */
// @ts-ignore: decorator
@inline
function nibble(address: usize, k: i32): i32 {
  return (<i32>load<u8>(address + <usize>(k >> 1)) >> ((k & 1) << 2)) & 15;
}

/** Any configuration, state by state. */
function panelOfAny(m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize): void {
  const C = sizeC(m), P = sizeP(m), K = sizeK(m), bytes = <usize>codeBytes(m);
  const odd = P & 1;
  const half = 1 << (K - 1);
  const unit = unitOf(m);
  for (let lane = 0; lane < 8; lane++) {
    const code = odd ? nibble(codes, 0) : nibble(exponents, lane);
    const scale = unit * reinterpret<f32>((127 + expBiasOf(m) + code) << 23);
    let state: u32 = K <= 16 ? <u32>load<u16>(seeds + (<usize>lane << 1)) : load<u32>(seeds + (<usize>lane << 2));
    for (let c = 0; c < C; c++) {
      let sum = 0;
      for (let p = 0; p < P; p++) {
        state = stepByTable(tables, state);
        sum += (<i32>state - half) * ((nibble(codes, odd + p) << 28) >> 28);
      }
      store<f32>(dst + (<usize>(8 * c + lane) << 2), <f32>sum * scale);
    }
    codes += bytes;
  }
}

/**
 * Eight blocks as a panel [C, 8].
 *
 * @param seeds, codes - of the eight, side by side
 * @param exponents - their codes, a nibble each; P even
 * @param tables - as `fillTables` made them
 */
export function decodePanel(
  kind: i32, m: usize, tables: usize, seeds: usize, codes: usize, exponents: usize, dst: usize,
): void {
  if (kind == FOUR) panel3(m, tables, seeds, codes, dst);
  else if (kind == FOUR_HALF) panel4of8(m, tables, seeds, codes, exponents, dst);
  else if (kind == ANY) panelOfAny(m, tables, seeds, codes, exponents, dst);
  else panel4of12(m, tables, seeds, codes, exponents, dst);
}
