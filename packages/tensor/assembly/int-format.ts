// Matrices of 8 or 4 bits: groups of 32 neighbours in a row, which share a scale in f16. int8: 32 signed bytes a group;
// int4: 16 bytes, number j in the lower half of byte j and number j + 16 in the upper, 8 standing for zero. A row has
// whole groups. Quants and scales lie apart.
//
// Four rows make a quad and lie interleaved, so that a vector holds the same four columns of each: group after group, of
// the group's words (32 bits) the first of each row, then the second of each row, and so on; of its scales all four. The
// last rows, fewer than four, lie one after the other.

import { F16, load1 } from "./format";

// @ts-ignore: decorator
@inline
export const INT8: i32 = 3;
// @ts-ignore: decorator
@inline
export const INT4: i32 = 4;
// @ts-ignore: decorator
@inline
export const GROUP: i32 = 32;
/** Rows that lie interleaved. */
// @ts-ignore: decorator
@inline
export const QUAD: i32 = 4;

/** log2 of the bytes of a group's quants. */
// @ts-ignore: decorator
@inline
export function groupShift(format: i32): i32 {
  return format == INT8 ? 5 : 4;
}

/** Eight small integers, as four and four floats times `scale`, to dst. */
// @ts-ignore: decorator
@inline
function store8(integers: v128, scale: v128, dst: usize): void {
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(integers)), scale));
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(integers)), scale), 16);
}

/** The 32 numbers of a group whose bytes lie at `quants`, to dst. */
function decodeGroup(format: i32, quants: usize, factor: f32, dst: usize): void {
  const scale = f32x4.splat(factor);
  if (format == INT8) {
    for (let j = <usize>0; j < 32; j += 8) store8(v128.load_ext<i8>(quants + j), scale, dst + (j << 2));
    return;
  }
  const bytes = v128.load(quants), nibble = i8x16.splat(15), zero = i8x16.splat(8);
  const low = i8x16.sub(v128.and(bytes, nibble), zero);
  const high = i8x16.sub(v128.and(i16x8.shr_u(bytes, 4), nibble), zero);
  store8(i16x8.extend_low_i8x16_s(low), scale, dst);
  store8(i16x8.extend_high_i8x16_s(low), scale, dst + 32);
  store8(i16x8.extend_low_i8x16_s(high), scale, dst + 64);
  store8(i16x8.extend_high_i8x16_s(high), scale, dst + 96);
}

/** Bytes of room that `decodeRun` needs: a group's quants, and its numbers. */
// @ts-ignore: decorator
@inline
export const DECODE_ROOM: usize = 32 + 128;

/** Numbers [from, from + count) of a row of a matrix of `rows`, to dst; `from` begins a group. */
export function decodeRun(
  format: i32, quants: usize, scales: usize, rows: i32, groups: i32, row: i32, from: i32, count: i32,
  dst: usize, room: usize,
): void {
  const shift = groupShift(format);
  const isPlain = row >= (rows & -QUAD);
  const apart: usize = isPlain ? 1 : QUAD; // words of a group, and groups
  const lane: usize = isPlain ? 0 : row & (QUAD - 1);
  const first = <usize>(isPlain ? row : row & -QUAD) * <usize>groups + <usize>(from / GROUP) * apart;
  let q = quants + (first << shift) + (lane << 2);
  let s = scales + ((first + lane) << 1);
  for (let j = 0; j < count; j += GROUP) {
    for (let word = <usize>0; word < <usize>(1 << (shift - 2)); word++) {
      store<u32>(room + (word << 2), load<u32>(q + (word * apart << 2)));
    }
    const whole = count - j >= GROUP;
    const to = dst + (<usize>j << 2);
    decodeGroup(format, room, load1(F16, s), whole ? to : room + 32);
    if (!whole) memory.copy(to, room + 32, <usize>(count - j) << 2);
    q += apart << shift;
    s += apart << 1;
  }
}

/** dst [ids, cols] f32 = rows ids[i] for i in [begin, end) of a matrix of `rows`; ids i32. scratch: DECODE_ROOM for each thread. */
export function decodeIntRows(
  format: i32, quants: usize, scales: usize, rows: i32, groups: i32, ids: usize, cols: i32, dst: usize, scratch: usize,
  begin: i32, end: i32,
): void {
  for (let i = <usize>begin; i < <usize>end; i++) {
    const row = load<i32>(ids + (i << 2));
    decodeRun(format, quants, scales, rows, groups, row, 0, cols, dst + (i * <usize>cols << 2), scratch);
  }
}
