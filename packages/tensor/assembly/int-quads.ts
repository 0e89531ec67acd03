// Few rows by an int8 or int4 matrix: bound by reading it once, so quads of its rows are widened on the way.

import { fieldsOf, F16, load4, scaleOf } from "./format";
import { groupShift, INT4, INT8, QUAD } from "./int-format";
import { isNarrow, roundedGroupBytes, roundedShift } from "./round-rows";
import { constant, madd } from "./simd";

/** Pairs of neighbouring products of signed bytes with bytes in [0, 127], summed in 16 bits. Relaxed builds only. */
// @ts-ignore: decorator
@inline
export function pairs(signed: v128, seven: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i16x8.relaxed_dot_i8x16_i7x16_s(signed, seven) : signed;
}

/** sums + the products of a word of each row of an int4 quad with bytes: columns of the lower halves with x, of the upper with y. */
// @ts-ignore: decorator
@inline
function addWords(sums: v128, q: usize, x: v128, y: v128, nibble: v128): v128 {
  const w = v128.load(q);
  sums = i16x8.add(sums, pairs(x, v128.and(w, nibble)));
  return i16x8.add(sums, pairs(y, v128.and(i16x8.shr_u(w, 4), nibble)));
}

/** Four words of two rows of an int8 quad by 16-bit numbers: for each row, the sums of its even and odd pairs. */
// @ts-ignore: decorator
@inline
function fourWords(q: usize, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  const a = i32x4.dot_i16x8_s(v128.load_ext<i8>(q), x0), b = i32x4.dot_i16x8_s(v128.load_ext<i8>(q, 16), x1);
  const c = i32x4.dot_i16x8_s(v128.load_ext<i8>(q, 32), x2), d = i32x4.dot_i16x8_s(v128.load_ext<i8>(q, 48), x3);
  return i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
}

/** The sums of each row, from those of its even and odd pairs: of the first two rows, and of the last two. */
// @ts-ignore: decorator
@inline
function joinPairs(low: v128, high: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7));
}

/** A group of an int4 quad by 16-bit numbers, where there is no product of bytes. */
// @ts-ignore: decorator
@inline
function wideInt4(q: usize, x: usize, nibble: v128): v128 {
  let low = i32x4.splat(0), high = i32x4.splat(0);
  for (let word = <usize>0; word < 4; word++) {
    const w = v128.load(q + (word << 4));
    const first = v128.and(w, nibble), second = v128.and(i16x8.shr_u(w, 4), nibble);
    const y = v128.load64_splat(x + (word << 3)), z = v128.load64_splat(x + (word << 3), 32);
    low = i32x4.add(low, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(first), y));
    low = i32x4.add(low, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(second), z));
    high = i32x4.add(high, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(first), y));
    high = i32x4.add(high, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(second), z));
  }
  return joinPairs(low, high);
}

/** Products of one rounded row with a quad of B, and with the one `qApart` and `sApart` bytes further if `two`: four floats each. */
// @ts-ignore: decorator
@inline
function dots(
  format: i32, two: bool, groups: i32, x: usize, q: usize, qApart: usize, s: usize, sApart: usize, c: usize, cApart: usize,
): void {
  const ones = constant(0x00010001), nibble = constant(0x0f0f0f0f);
  const fields = fieldsOf(F16), unit = scaleOf(F16);
  const scaleAt: usize = 1 << roundedShift(format); // behind a group's numbers
  let sum0 = f32x4.splat(0), sum1 = f32x4.splat(0);
  const end = s + (<usize>(groups * QUAD) << 1);
  for (; s < end; s += QUAD << 1) {
    const start = v128.load32_splat(x + scaleAt + 4);
    let dots0: v128, dots1 = start;
    if (isNarrow(format)) {
      let y = v128.load32_splat(x), z = v128.load32_splat(x, 16);
      dots0 = addWords(start, q, y, z, nibble);
      if (two) dots1 = addWords(start, q + qApart, y, z, nibble);
      y = v128.load32_splat(x, 4);
      z = v128.load32_splat(x, 20);
      dots0 = addWords(dots0, q + 16, y, z, nibble);
      if (two) dots1 = addWords(dots1, q + qApart + 16, y, z, nibble);
      y = v128.load32_splat(x, 8);
      z = v128.load32_splat(x, 24);
      dots0 = addWords(dots0, q + 32, y, z, nibble);
      if (two) dots1 = addWords(dots1, q + qApart + 32, y, z, nibble);
      y = v128.load32_splat(x, 12);
      z = v128.load32_splat(x, 28);
      dots0 = i32x4.dot_i16x8_s(addWords(dots0, q + 48, y, z, nibble), ones);
      if (two) dots1 = i32x4.dot_i16x8_s(addWords(dots1, q + qApart + 48, y, z, nibble), ones);
    } else if (format == INT4) {
      dots0 = i32x4.add(start, wideInt4(q, x, nibble));
      if (two) dots1 = i32x4.add(start, wideInt4(q + qApart, x, nibble));
    } else {
      let x0 = v128.load64_splat(x), x1 = v128.load64_splat(x, 8);
      let x2 = v128.load64_splat(x, 16), x3 = v128.load64_splat(x, 24);
      let low0 = fourWords(q, x0, x1, x2, x3), high0 = fourWords(q + 8, x0, x1, x2, x3);
      let low1 = low0, high1 = high0;
      if (two) {
        low1 = fourWords(q + qApart, x0, x1, x2, x3);
        high1 = fourWords(q + qApart + 8, x0, x1, x2, x3);
      }
      x0 = v128.load64_splat(x, 32);
      x1 = v128.load64_splat(x, 40);
      x2 = v128.load64_splat(x, 48);
      x3 = v128.load64_splat(x, 56);
      low0 = i32x4.add(low0, fourWords(q + 64, x0, x1, x2, x3));
      high0 = i32x4.add(high0, fourWords(q + 72, x0, x1, x2, x3));
      dots0 = joinPairs(low0, high0);
      if (two) {
        low1 = i32x4.add(low1, fourWords(q + qApart + 64, x0, x1, x2, x3));
        high1 = i32x4.add(high1, fourWords(q + qApart + 72, x0, x1, x2, x3));
        dots1 = joinPairs(low1, high1);
      }
    }
    const scale = v128.load32_splat(x + scaleAt);
    sum0 = madd(f32x4.convert_i32x4_s(dots0), f32x4.mul(load4(F16, s, fields, unit), scale), sum0);
    if (two) sum1 = madd(f32x4.convert_i32x4_s(dots1), f32x4.mul(load4(F16, s + sApart, fields, unit), scale), sum1);
    x += roundedGroupBytes(format);
    q += QUAD << groupShift(format);
  }
  v128.store(c, sum0);
  if (two) v128.store(c + cApart, sum1);
}

// @ts-ignore: decorator
@inline
function quadsOf(format: i32, quads: i32, groups: i32, x: usize, q: usize, s: usize, c: usize): void {
  const qStep = <usize>(groups * QUAD) << groupShift(format), sStep = <usize>(groups * QUAD) << 1;
  const half = <usize>(quads >> 1); // two long streams: see dotRows
  for (let quad = <usize>0; quad < half; quad++) {
    dots(format, true, groups, x, q, half * qStep, s, half * sStep, c, half << 4);
    q += qStep;
    s += sStep;
    c += 16;
  }
  if (quads & 1) dots(format, false, groups, x, q + half * qStep, 0, s + half * sStep, 0, c + (half << 4), 0);
}

/** Products of one rounded row with `quads` quads of B, four floats each to c. */
export function quadDots(format: i32, quads: i32, groups: i32, x: usize, q: usize, s: usize, c: usize): void {
  if (format == INT8) quadsOf(INT8, quads, groups, x, q, s, c);
  else quadsOf(INT4, quads, groups, x, q, s, c);
}
