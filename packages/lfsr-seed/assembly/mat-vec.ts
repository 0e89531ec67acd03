// The product of a packed matrix with one vector, without its weights. With V the states of a block,
//
//   Σ_c x_c Σ_p q_p (V_cp - 2^15) = Σ_p q_p D_p,   D_p = Σ_c x_c V_cp - 2^15 Σ_c x_c,
//
// and since V_cp is a window of the stream of bits that begins with the seed, D_p is a sum over the bits of that
// stream: bit n weighs Σ_c x_c 2^(n - 1 - cP - p) over the windows that hold it. The weights of a group of columns are
// the same for all rows, so a table of the sums of some neighbouring bits, with D_0 to D_3 in the four lanes of an
// entry, leaves five additions for eight weights (C = 8, P = 3: 40 bits, five bytes).

import { constant, madd } from "../../tensor/assembly/simd";
import {
  FOUR, FOUR_HALF, codesAt, columnsOf, expBiasOf, exponentsAt, groupsOf, kindOf, lanesOf, rowsOf, seedsAt, sizeC, sizeP,
  unitOf,
} from "./payload";
import { TABLE_BYTES, bitsByTable, fillTables } from "./stream";

/** Bits of the longest stream, and room in front of the weights of its bits for those that lanes 1 to 3 lack. */
// @ts-ignore: decorator
@inline
const BITS: i32 = 72;
// @ts-ignore: decorator
@inline
const WEIGHTS_BYTES: usize = (BITS + 8) * 4;
/** Bytes of the largest tables: nine of seven bits need 18 KiB, six of a byte 24 KiB. */
// @ts-ignore: decorator
@inline
const SUMS_BYTES: usize = 6 * 4096;

export function matVecScratchBytes(): usize {
  return TABLE_BYTES + WEIGHTS_BYTES + SUMS_BYTES;
}

/** Sixteen sums a[i] + b. */
// @ts-ignore: decorator
@inline
function addToSixteen(a: usize, b: v128, dst: usize): void {
  v128.store(dst, f32x4.add(v128.load(a), b));
  v128.store(dst, f32x4.add(v128.load(a, 16), b), 16);
  v128.store(dst, f32x4.add(v128.load(a, 32), b), 32);
  v128.store(dst, f32x4.add(v128.load(a, 48), b), 48);
  v128.store(dst, f32x4.add(v128.load(a, 64), b), 64);
  v128.store(dst, f32x4.add(v128.load(a, 80), b), 80);
  v128.store(dst, f32x4.add(v128.load(a, 96), b), 96);
  v128.store(dst, f32x4.add(v128.load(a, 112), b), 112);
  v128.store(dst, f32x4.add(v128.load(a, 128), b), 128);
  v128.store(dst, f32x4.add(v128.load(a, 144), b), 144);
  v128.store(dst, f32x4.add(v128.load(a, 160), b), 160);
  v128.store(dst, f32x4.add(v128.load(a, 176), b), 176);
  v128.store(dst, f32x4.add(v128.load(a, 192), b), 192);
  v128.store(dst, f32x4.add(v128.load(a, 208), b), 208);
  v128.store(dst, f32x4.add(v128.load(a, 224), b), 224);
  v128.store(dst, f32x4.add(v128.load(a, 240), b), 240);
}

/**
 * Fills `sums`, f32 [count, 2^width, 4]: D_0 to D_3 for every value of each `width` neighbouring bits of the stream,
 * from bit `start` on.
 *
 * @param x - `valid` numbers, of the columns of the group that the matrix has
 * @param weights - room for the weights of the bits, the last bit first: lanes are neighbours then
 */
function fillSums(
  C: i32, P: i32, start: i32, width: i32, count: i32, x: usize, valid: i32, weights: usize, sums: usize,
): void {
  memory.fill(weights, 0, WEIGHTS_BYTES);
  let total: f32 = 0;
  for (let c = 0; c < valid; c++) {
    let weight = load<f32>(x + (<usize>c << 2));
    total += weight;
    let at = weights + (<usize>(BITS - 1 - c * P) << 2);
    for (let i = 0; i < 16; i++) {
      store<f32>(at, load<f32>(at) + weight);
      at -= 4;
      weight += weight;
    }
  }
  let first = f32x4.splat(-32768 * total);
  for (let i = 0; i < count; i++) {
    v128.store(sums, first);
    first = f32x4.splat(0);
    let at = weights + (<usize>(BITS - start - i * width) << 2);
    for (let j = 0; j < width; j++, at -= 4) {
      const weight = v128.load(at);
      const size = <usize>16 << j;
      if (j < 4) for (let k: usize = 0; k < size; k += 16) v128.store(sums + size + k, f32x4.add(v128.load(sums + k), weight));
      else for (let k: usize = 0; k < size; k += 256) addToSixteen(sums + k, weight, sums + size + k);
    }
    sums += <usize>16 << width;
  }
}

/** Up to four bytes of each table entry move apart, to where the offset of a sum in its table is 16 bits of its own. */
function spreadBytes(tables: usize): void {
  for (let i: usize = 0; i < TABLE_BYTES; i += 8) {
    const bits = load<u64>(tables + i);
    let spread: u64 = 0;
    for (let byte: u64 = 0; byte < 4; byte++) spread |= ((bits >> (8 * byte)) & 255) << (16 * byte + 4);
    store<u64>(tables + i, spread);
  }
}

/** D_0 to D_3 of one block of C = 8: the sums of the two bytes of its seed, and of three or four that follow. */
// @ts-ignore: decorator
@inline
function sumsOfBytes(P: i32, seed: u32, tables: usize, sums: usize): v128 {
  const next = bitsByTable(tables, seed);
  let even = v128.load(sums + (<usize>(seed & 255) << 4));
  let odd = v128.load(sums + (<usize>(seed >> 8) << 4), 4096);
  even = f32x4.add(even, v128.load(sums + <usize>(<u32>next & 0xffff), 8192));
  odd = f32x4.add(odd, v128.load(sums + <usize>(<u32>next >> 16), 12288));
  if (P == 3) return f32x4.add(f32x4.add(even, v128.load(sums + <usize>(next >> 32), 16384)), odd);
  even = f32x4.add(even, v128.load(sums + <usize>(<u32>(next >> 32) & 0xffff), 16384));
  odd = f32x4.add(odd, v128.load(sums + <usize>(next >> 48), 20480));
  return f32x4.add(even, odd);
}

/** Entry `piece` of the sums of seven bits each. */
// @ts-ignore: decorator
@inline
function sevenBits(piece: u64, stream: u64, sums: usize): v128 {
  return v128.load(sums + <usize>(2048 * piece) + (<usize>(stream >> (7 * piece)) & 0x7f0));
}

/** D_0 to D_3 of one block of (12, 4): the sums of nine times seven bits, from bit 1 of its stream on. */
// @ts-ignore: decorator
@inline
function sumsOfSevens(seed: u32, tables: usize, sums: usize): v128 {
  const next = bitsByTable(tables, seed);
  const first = (<u64>(seed >> 1) | (next << 15)) << 4; // bits 1 to 60, where the offset of a sum wants them
  let even = f32x4.add(sevenBits(0, first, sums), sevenBits(2, first, sums));
  let odd = f32x4.add(sevenBits(1, first, sums), sevenBits(3, first, sums));
  even = f32x4.add(even, sevenBits(4, first, sums));
  odd = f32x4.add(odd, sevenBits(5, first, sums));
  even = f32x4.add(even, sevenBits(6, first, sums));
  odd = f32x4.add(odd, sevenBits(7, first, sums));
  even = f32x4.add(even, v128.load(sums + (<usize>(next >> 37) & 0x7f0), 8 * 2048)); // bits 57 to 63: 41 of the next
  return f32x4.add(even, odd);
}

// @ts-ignore: decorator
@inline
function sumsOf(C: i32, P: i32, seed: u32, tables: usize, sums: usize): v128 {
  return C == 8 ? sumsOfBytes(P, seed, tables, sums) : sumsOfSevens(seed, tables, sums);
}

/** Coefficient in bits [at, at + 4) of each lane's word, as float. */
// @ts-ignore: decorator
@inline
function coefficient(words: v128, at: i32): v128 {
  return f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(words, 28 - at), 28));
}

/** sum += Σ_p q_p 2^e D_p of four neighbouring rows. */
// @ts-ignore: decorator
@inline
function addFourRows(
  C: i32, P: i32, seeds: u64, words: v128, exponents: v128, bias: v128, tables: usize, sums: usize, sum: usize,
): void {
  const d0 = sumsOf(C, P, <u32>seeds & 0xffff, tables, sums);
  const d1 = sumsOf(C, P, <u32>seeds >> 16, tables, sums);
  const d2 = sumsOf(C, P, <u32>(seeds >> 32) & 0xffff, tables, sums);
  const d3 = sumsOf(C, P, <u32>(seeds >> 48), tables, sums);
  const a = v128.shuffle<f32>(d0, d1, 0, 4, 1, 5), b = v128.shuffle<f32>(d2, d3, 0, 4, 1, 5);
  const c = v128.shuffle<f32>(d0, d1, 2, 6, 3, 7), d = v128.shuffle<f32>(d2, d3, 2, 6, 3, 7);
  const first = P == 3 ? 4 : 0; // for odd P the exponent code is the lowest nibble
  let total = f32x4.mul(v128.shuffle<f64>(a, b, 0, 2), coefficient(words, first));
  total = madd(v128.shuffle<f64>(a, b, 1, 3), coefficient(words, first + 4), total);
  total = madd(v128.shuffle<f64>(c, d, 0, 2), coefficient(words, first + 8), total);
  if (P == 4) total = madd(v128.shuffle<f64>(c, d, 1, 3), coefficient(words, 12), total);
  const scale = i32x4.shl(i32x4.add(exponents, bias), 23);
  v128.store(sum, madd(total, scale, v128.load(sum)));
}

/** out [lanes] += one group of columns times its part of x, before the unit. */
// @ts-ignore: decorator
@inline
function addGroup(C: i32, P: i32, m: usize, group: usize, tables: usize, sums: usize, out: usize): void {
  const lanes = <usize>lanesOf(m);
  const bias = i32x4.splat(127 + expBiasOf(m));
  const fifteen = constant(15);
  let seeds = seedsAt(m, group * lanes), codes = codesAt(m, group * lanes);
  let exponents = P == 4 ? exponentsAt(m, group * lanes) : 0;
  const end = out + (lanes << 2);
  for (; out < end; out += 16) {
    const words = v128.load_ext<u16>(codes);
    let codesOf: v128;
    if (P == 4) {
      const moved = i32x4.mul(i32x4.splat(<i32>load<u16>(exponents)), i32x4(4096, 256, 16, 1)); // a nibble each
      codesOf = v128.and(i32x4.shr_u(moved, 12), fifteen);
      exponents += 2;
    } else {
      codesOf = v128.and(words, fifteen);
    }
    addFourRows(C, P, load<u64>(seeds), words, codesOf, bias, tables, sums, out);
    seeds += 8;
    codes += 8;
  }
}

/**
 * Parts [begin, end) of the product of matrix m with x, a part being `size` groups of columns: partial [parts, lanes]
 * = what the part adds to each row, before the unit. Layout `rows`, a configuration with kernels of its own.
 */
export function lfsrMatVecParts(
  m: usize, x: usize, size: i32, partial: usize, scratch: usize, begin: i32, end: i32,
): void {
  const kind = kindOf(m), C = sizeC(m), P = sizeP(m), columns = columnsOf(m);
  const bytes = <usize>lanesOf(m) << 2;
  const weights = scratch + TABLE_BYTES, sums = weights + WEIGHTS_BYTES;
  fillTables(m, scratch);
  if (C == 8) spreadBytes(scratch);
  for (let part = begin; part < end; part++) {
    const to = partial + <usize>part * bytes;
    memory.fill(to, 0, bytes);
    const last = min((part + 1) * size, groupsOf(m));
    for (let group = part * size; group < last; group++) {
      const from = x + (<usize>(group * C) << 2), valid = min(C, columns - group * C);
      if (kind == FOUR) {
        fillSums(C, P, 0, 8, 5, from, valid, weights, sums);
        addGroup(8, 3, m, group, scratch, sums, to);
      } else if (kind == FOUR_HALF) {
        fillSums(C, P, 0, 8, 6, from, valid, weights, sums);
        addGroup(8, 4, m, group, scratch, sums, to);
      } else {
        fillSums(C, P, 1, 7, 9, from, valid, weights, sums);
        addGroup(12, 4, m, group, scratch, sums, to);
      }
    }
  }
}

/** out [rows] = unit · the sum of the parts [parts, lanes], for rows [begin, end). */
export function lfsrMatVecSum(m: usize, partial: usize, parts: i32, out: usize, begin: i32, end: i32): void {
  const lanes = <usize>lanesOf(m);
  const unit = unitOf(m);
  for (let row = <usize>begin; row < <usize>end; row++) {
    let sum: f32 = 0;
    for (let part: usize = 0; part < <usize>parts; part++) sum += load<f32>(partial + ((part * lanes + row) << 2));
    store<f32>(out + (row << 2), unit * sum);
  }
}
