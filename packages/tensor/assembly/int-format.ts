// Matrices of 8 or 4 bits: groups of 32 neighbours in a row, which share a scale in f16. int8: 32 signed bytes a group;
// int4: 16 bytes, number j in the lower half of byte j and number j + 16 in the upper, 8 standing for zero. A row has
// whole groups. Quants and scales lie apart.

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

/** log2 of the bytes of a group's quants. */
// @ts-ignore: decorator
@inline
export function groupShift(format: i32): i32 {
  return format == INT8 ? 5 : 4;
}

/** The scale of group `index`. */
// @ts-ignore: decorator
@inline
export function scaleAt(scales: usize, index: usize): f32 {
  return load1(F16, scales + (index << 1));
}

/** Eight small integers, as four and four floats times `scale`, to dst. */
// @ts-ignore: decorator
@inline
function store8(integers: v128, scale: v128, dst: usize): void {
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(integers)), scale));
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(integers)), scale), 16);
}

/** The 32 numbers of a group, to dst. */
export function decodeGroup(format: i32, quants: usize, factor: f32, dst: usize): void {
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

/** Numbers [from, from + count) of a row whose groups begin at `quants` and `scales`, to dst; `from` begins a group. room: 128 bytes. */
export function decodeRun(
  format: i32, quants: usize, scales: usize, from: i32, count: i32, dst: usize, room: usize,
): void {
  let group = <usize>(from / GROUP);
  for (let j = 0; j < count; j += GROUP) {
    const whole = count - j >= GROUP;
    const to = dst + (<usize>j << 2);
    decodeGroup(format, quants + (group << groupShift(format)), scaleAt(scales, group), whole ? to : room);
    if (!whole) memory.copy(to, room, <usize>(count - j) << 2);
    group++;
  }
}

/** dst [ids, cols] f32 = rows ids[i] for i in [begin, end); ids i32. scratch: 128 bytes for each thread. */
export function decodeIntRows(
  format: i32, quants: usize, scales: usize, groups: i32, ids: usize, cols: i32, dst: usize, scratch: usize,
  begin: i32, end: i32,
): void {
  for (let i = <usize>begin; i < <usize>end; i++) {
    const first = <usize>load<i32>(ids + (i << 2)) * <usize>groups;
    const to = dst + (i * <usize>cols << 2);
    decodeRun(format, quants + (first << groupShift(format)), scales + (first << 1), 0, cols, to, scratch);
  }
}
