// Many rows by an int8 or int4 matrix: two quads of its rows are widened once, to a panel, and all rows pass over it.

import { fieldsOf, F16, load4, scaleOf } from "./format";
import { groupShift, INT4, INT8, QUAD } from "./int-format";
import { pairs } from "./int-quads";
import { isNarrow, roundedGroupBytes, roundedShift } from "./round-rows";
import { constant, madd } from "./simd";

/** Rows and columns of a tile of C. */
// @ts-ignore: decorator
@inline
export const TILE_ROWS: i32 = 4;
// @ts-ignore: decorator
@inline
export const TILE_COLS: i32 = 8;
/** Bytes of a tile. */
// @ts-ignore: decorator
@inline
export const TILE_BYTES: usize = TILE_ROWS * TILE_COLS * 4;

/** Bytes of a group of a panel: the integers of eight rows, and their scales as f32. */
// @ts-ignore: decorator
@inline
export function panelGroupBytes(format: i32): usize {
  return (<usize>TILE_COLS << roundedShift(format)) + TILE_COLS * 4;
}

/** Four columns of a quad to a panel: as bytes, or as twice two columns in 16 bits. */
// @ts-ignore: decorator
@inline
function putColumns(format: i32, bytes: v128, to: usize): void {
  if (isNarrow(format)) {
    v128.store(to, bytes);
    return;
  }
  const low = i16x8.extend_low_i8x16_s(bytes), high = i16x8.extend_high_i8x16_s(bytes);
  v128.store(to, v128.shuffle<i32>(low, high, 0, 2, 4, 6));
  v128.store(to, v128.shuffle<i32>(low, high, 1, 3, 5, 7), 32);
}

/** Widens a quad to its half of a panel: half 0 or 1. */
export function packQuad(format: i32, groups: i32, q: usize, s: usize, half: i32, dst: usize): void {
  const fields = fieldsOf(F16), unit = scaleOf(F16), nibble = constant(0x0f0f0f0f);
  const step: usize = isNarrow(format) ? 32 : 64; // bytes of four columns
  let to = dst + (<usize>half << 4);
  for (let g = 0; g < groups; g++) {
    if (format == INT4) {
      for (let word = <usize>0; word < 4; word++) {
        const w = v128.load(q + (word << 4));
        putColumns(format, v128.and(w, nibble), to + word * step);
        putColumns(format, v128.and(i16x8.shr_u(w, 4), nibble), to + (word + 4) * step);
      }
    } else {
      for (let word = <usize>0; word < 8; word++) putColumns(format, v128.load(q + (word << 4)), to + word * step);
    }
    v128.store(to + 8 * step, load4(F16, s, fields, unit));
    q += <usize>QUAD << groupShift(format);
    s += QUAD << 1;
    to += panelGroupBytes(format);
  }
}

/** A half of a panel that stands for no rows. */
export function packNothing(format: i32, groups: i32, half: i32, dst: usize): void {
  for (let g = 0; g < groups; g++) {
    for (let at = <usize>0; at < panelGroupBytes(format); at += 32) v128.store(dst + at + (<usize>half << 4), i32x4.splat(0));
    dst += panelGroupBytes(format);
  }
}

/** sums + the products of a rounded row's next columns with as many of four rows of B. */
// @ts-ignore: decorator
@inline
function more(format: i32, sums: v128, x: v128, w: v128): v128 {
  return isNarrow(format) ? i16x8.add(sums, pairs(x, w)) : i32x4.add(sums, i32x4.dot_i16x8_s(x, w));
}

/** Adds the dot products of one group, times the scales, to four numbers of a tile. */
// @ts-ignore: decorator
@inline
function addScaled(format: i32, sums: v128, ones: v128, scale: v128, tile: usize): void {
  const dots = isNarrow(format) ? i32x4.dot_i16x8_s(sums, ones) : sums;
  v128.store(tile, madd(f32x4.convert_i32x4_s(dots), scale, v128.load(tile)));
}

/** A tile of C, [4, 8]: four rounded rows, at x0 to x3, by a panel. */
// @ts-ignore: decorator
@inline
function tileOf(
  format: i32, groups: i32, x0: usize, x1: usize, x2: usize, x3: usize, panel: usize, tile: usize,
): void {
  const ones = constant(0x00010001);
  const numbers: usize = 1 << roundedShift(format); // bytes of a group's
  for (let at = <usize>0; at < TILE_BYTES; at += 16) v128.store(tile + at, f32x4.splat(0));
  const end = x0 + <usize>groups * roundedGroupBytes(format);
  while (x0 < end) {
    let c00 = v128.load32_splat(x0 + numbers + 4), c10 = v128.load32_splat(x1 + numbers + 4);
    let c20 = v128.load32_splat(x2 + numbers + 4), c30 = v128.load32_splat(x3 + numbers + 4);
    let c01 = c00, c11 = c10, c21 = c20, c31 = c30;
    const next = x0 + numbers;
    do {
      let w0 = v128.load(panel), w1 = v128.load(panel, 16);
      let x = v128.load32_splat(x0);
      c00 = more(format, c00, x, w0);
      c01 = more(format, c01, x, w1);
      x = v128.load32_splat(x1);
      c10 = more(format, c10, x, w0);
      c11 = more(format, c11, x, w1);
      x = v128.load32_splat(x2);
      c20 = more(format, c20, x, w0);
      c21 = more(format, c21, x, w1);
      x = v128.load32_splat(x3);
      c30 = more(format, c30, x, w0);
      c31 = more(format, c31, x, w1);
      if (x0 == 0) break; // never: see microKernel
      w0 = v128.load(panel, 32);
      w1 = v128.load(panel, 48);
      x = v128.load32_splat(x0, 4);
      c00 = more(format, c00, x, w0);
      c01 = more(format, c01, x, w1);
      x = v128.load32_splat(x1, 4);
      c10 = more(format, c10, x, w0);
      c11 = more(format, c11, x, w1);
      x = v128.load32_splat(x2, 4);
      c20 = more(format, c20, x, w0);
      c21 = more(format, c21, x, w1);
      x = v128.load32_splat(x3, 4);
      c30 = more(format, c30, x, w0);
      c31 = more(format, c31, x, w1);
      if (x0 == 0) break;
      w0 = v128.load(panel, 64);
      w1 = v128.load(panel, 80);
      x = v128.load32_splat(x0, 8);
      c00 = more(format, c00, x, w0);
      c01 = more(format, c01, x, w1);
      x = v128.load32_splat(x1, 8);
      c10 = more(format, c10, x, w0);
      c11 = more(format, c11, x, w1);
      x = v128.load32_splat(x2, 8);
      c20 = more(format, c20, x, w0);
      c21 = more(format, c21, x, w1);
      x = v128.load32_splat(x3, 8);
      c30 = more(format, c30, x, w0);
      c31 = more(format, c31, x, w1);
      if (x0 == 0) break;
      w0 = v128.load(panel, 96);
      w1 = v128.load(panel, 112);
      x = v128.load32_splat(x0, 12);
      c00 = more(format, c00, x, w0);
      c01 = more(format, c01, x, w1);
      x = v128.load32_splat(x1, 12);
      c10 = more(format, c10, x, w0);
      c11 = more(format, c11, x, w1);
      x = v128.load32_splat(x2, 12);
      c20 = more(format, c20, x, w0);
      c21 = more(format, c21, x, w1);
      x = v128.load32_splat(x3, 12);
      c30 = more(format, c30, x, w0);
      c31 = more(format, c31, x, w1);
      panel += 128;
      x0 += 16;
      x1 += 16;
      x2 += 16;
      x3 += 16;
    } while (x0 < next);
    const w0 = v128.load(panel), w1 = v128.load(panel, 16);
    let scale = v128.load32_splat(x0);
    addScaled(format, c00, ones, f32x4.mul(w0, scale), tile);
    addScaled(format, c01, ones, f32x4.mul(w1, scale), tile + 16);
    scale = v128.load32_splat(x1);
    addScaled(format, c10, ones, f32x4.mul(w0, scale), tile + 32);
    addScaled(format, c11, ones, f32x4.mul(w1, scale), tile + 48);
    scale = v128.load32_splat(x2);
    addScaled(format, c20, ones, f32x4.mul(w0, scale), tile + 64);
    addScaled(format, c21, ones, f32x4.mul(w1, scale), tile + 80);
    scale = v128.load32_splat(x3);
    addScaled(format, c30, ones, f32x4.mul(w0, scale), tile + 96);
    addScaled(format, c31, ones, f32x4.mul(w1, scale), tile + 112);
    panel += 32;
    x0 += 8;
    x1 += 8;
    x2 += 8;
    x3 += 8;
  }
}

/** A tile of C, [4, 8]: four rounded rows, at x0 to x3, by a panel. */
export function intTile(
  format: i32, groups: i32, x0: usize, x1: usize, x2: usize, x3: usize, panel: usize, tile: usize,
): void {
  if (format == INT8) tileOf(INT8, groups, x0, x1, x2, x3, panel, tile);
  else tileOf(INT4, groups, x0, x1, x2, x3, panel, tile);
}
