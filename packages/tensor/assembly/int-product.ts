// Products with matrices of 8 or 4 bits. Up to eight rows (decoding) are rounded to integers themselves, group by group,
// which spares making floats of the matrix: to 16 bits against int8, to 8 bits against int4, where the relaxed dot product
// does 16 products an instruction. More rows meet the numbers of the matrix as they are.

import { fieldsOf, F16, load4, scaleOf } from "./format";
import { blockColumns, blockDepth, blockedProduct, blockedScratchBytes } from "./gemm";
import { GROUP, groupShift, INT4, INT8, scaleAt } from "./int-format";
import { packIntRoom } from "./pack-int";
import { constant, madd, maxLanes, sumLanes } from "./simd";

/** Up to how many rows are rounded. */
// @ts-ignore: decorator
@inline
const FEW: i32 = 8;
/** A group of which no number is larger counts as zeros. */
// @ts-ignore: decorator
@inline
const TINY: f32 = 1e-30;

/** Groups of a row, up to a multiple of four: as many scales make a vector. */
// @ts-ignore: decorator
@inline
function paddedGroups(K: i32): i32 {
  return ((K + GROUP - 1) / GROUP + 3) & ~3;
}

/** Bytes of a group of a rounded row. */
// @ts-ignore: decorator
@inline
function roundedGroup(format: i32): usize {
  return format == INT8 ? 2 * GROUP : GROUP;
}

/** Bytes of a row as `roundRow` writes it, at most. */
// @ts-ignore: decorator
@inline
function roundedBytes(K: i32): usize {
  return <usize>paddedGroups(K) * (2 * GROUP + 8);
}

/** Bytes of scratch that a product of M rows with a matrix needs, one for each thread. */
export function intScratchBytes(transB: i32, M: i32, N: i32, K: i32): usize {
  if (transB && M <= FEW) return <usize>M * roundedBytes(K) + GROUP * 4;
  return blockedScratchBytes(M, N, K) + packIntRoom(transB, blockColumns(N), blockDepth(K));
}

/** Eight floats times `inverse`, rounded, in 16 bits. */
// @ts-ignore: decorator
@inline
function round8(src: usize, inverse: v128): v128 {
  const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(src), inverse)));
  const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(src, 16), inverse)));
  return i16x8.narrow_i32x4_s(low, high);
}

/**
 * A row of K floats as integers, each group of 32 with a scale of its own: x = scale * q, off by at most scale / 2. |q| is
 * at most 32767 against int8 matrices and 127 against int4. Written are, for all groups one after the other: q; the
 * scales; and for int4 -8 * scale * sum(q), which takes the weights' zero from 8 to 0. An infinite or NaN number makes
 * the result NaN.
 */
function roundRow(format: i32, K: i32, x: usize, dst: usize, room: usize): void {
  const padded = <usize>paddedGroups(K);
  const scales = dst + padded * roundedGroup(format);
  const zeros = scales + (padded << 2);
  const most: f32 = format == INT8 ? 32767 : 127;
  for (let g = <usize>0; g < padded; g++) {
    const from = <i32>g * GROUP;
    let src = x + (<usize>from << 2);
    if (from + GROUP > K) {
      memory.fill(room, 0, GROUP * 4);
      if (from < K) memory.copy(room, src, <usize>(K - from) << 2);
      src = room;
    }
    let top = f32x4.abs(v128.load(src));
    for (let j = <usize>16; j < 128; j += 16) top = f32x4.max(top, f32x4.abs(v128.load(src + j)));
    const largest = maxLanes(top); // NaN if one is, and then so is the scale
    const inverse = f32x4.splat(largest > TINY ? most / largest : 0);
    const scale: f32 = largest <= TINY ? 0 : largest / most;
    const to = dst + g * roundedGroup(format);
    const q0 = round8(src, inverse), q1 = round8(src + 32, inverse);
    const q2 = round8(src + 64, inverse), q3 = round8(src + 96, inverse);
    store<f32>(scales + (g << 2), scale);
    if (format == INT8) {
      v128.store(to, q0);
      v128.store(to, q1, 16);
      v128.store(to, q2, 32);
      v128.store(to, q3, 48);
      continue;
    }
    v128.store(to, i8x16.narrow_i16x8_s(q0, q1));
    v128.store(to, i8x16.narrow_i16x8_s(q2, q3), 16);
    const sums = i32x4.extadd_pairwise_i16x8_s(i16x8.add(i16x8.add(q0, q1), i16x8.add(q2, q3)));
    const sum = f32x4.convert_i32x4_s(sums);
    store<f32>(zeros + (g << 2), -8 * scale * sumLanes(sum));
  }
}

/** Sums of pairs of products of signed bytes with bytes in [0, 127], in 16 bits: which pairs is the build's choice. */
// @ts-ignore: decorator
@inline
function pairs(signed: v128, seven: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(signed, seven);
  return i16x8.add(i16x8.extmul_low_i8x16_s(signed, seven), i16x8.extmul_high_i8x16_s(signed, seven));
}

/** The products of a group of B with one of a rounded row, in four sums. B: low and high halves, or four times eight. */
// @ts-ignore: decorator
@inline
function groupOf(format: i32, x: usize, w0: v128, w1: v128, w2: v128, w3: v128, ones: v128): v128 {
  if (format == INT4) {
    // 16 bits hold four products: 4 * 15 * 127
    const sums = i16x8.add(pairs(v128.load(x), w0), pairs(v128.load(x, 16), w1));
    return f32x4.convert_i32x4_s(i32x4.dot_i16x8_s(sums, ones));
  }
  // 32 bits hold the eight products of a lane: 8 * 127 * 32767
  const low = i32x4.add(i32x4.dot_i16x8_s(v128.load(x), w0), i32x4.dot_i16x8_s(v128.load(x, 16), w1));
  const high = i32x4.add(i32x4.dot_i16x8_s(v128.load(x, 32), w2), i32x4.dot_i16x8_s(v128.load(x, 48), w3));
  return f32x4.convert_i32x4_s(i32x4.add(low, high));
}

/** A quarter of a group of B as `groupOf` takes it; int4 has two. */
// @ts-ignore: decorator
@inline
function part(format: i32, i: i32, q: usize, nibble: v128): v128 {
  if (format == INT8) {
    if (i == 0) return v128.load_ext<i8>(q);
    if (i == 1) return v128.load_ext<i8>(q, 8);
    return i == 2 ? v128.load_ext<i8>(q, 16) : v128.load_ext<i8>(q, 24);
  }
  if (i == 0) return v128.and(v128.load(q), nibble);
  return i == 1 ? v128.and(i16x8.shr_u(v128.load(q), 4), nibble) : nibble;
}

/** One or two rounded rows of A with one or two rows of B, `xStride`, and `qApart` and `sApart`, bytes apart. */
// @ts-ignore: decorator
@inline
function dots(
  format: i32, twoA: bool, twoB: bool, K: i32, x: usize, xStride: usize, q: usize, qApart: usize, s: usize, sApart: usize,
  c: usize, cDown: usize, cAlong: usize,
): void {
  const ones = constant(0x00010001), nibble = constant(0x0f0f0f0f);
  const fields = fieldsOf(F16), scale = scaleOf(F16);
  const groups = <usize>((K + GROUP - 1) / GROUP);
  const padded = <usize>paddedGroups(K);
  const xScales = x + padded * roundedGroup(format);
  const shift = groupShift(format);
  let s00 = f32x4.splat(0), s01 = f32x4.splat(0), s10 = f32x4.splat(0);
  let g = <usize>0;
  for (; g + 4 <= groups; g += 4) {
    const at = xScales + (g << 2);
    const w = load4(F16, s + (g << 1), fields, scale);
    const v = twoB ? load4(F16, s + sApart + (g << 1), fields, scale) : w;
    const f00 = f32x4.mul(w, v128.load(at));
    const f01 = twoB ? f32x4.mul(v, v128.load(at)) : f00;
    const f10 = twoA ? f32x4.mul(w, v128.load(at + xStride)) : f00;
    if (format == INT4) {
      const zeros = at + (padded << 2);
      s00 = madd(w, v128.load(zeros), s00);
      if (twoB) s01 = madd(v, v128.load(zeros), s01);
      if (twoA) s10 = madd(w, v128.load(zeros + xStride), s10);
    }
    // Four groups, written out: the lane must be known to the compiler.
    let from = q + (g << shift);
    let values = x + g * roundedGroup(format);
    let w0 = part(format, 0, from, nibble), w1 = part(format, 1, from, nibble);
    let w2 = part(format, 2, from, nibble), w3 = part(format, 3, from, nibble);
    s00 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f00, f00, 0, 0, 0, 0), s00);
    if (twoA) {
      s10 = madd(
        groupOf(format, values + xStride, w0, w1, w2, w3, ones), v128.shuffle<f32>(f10, f10, 0, 0, 0, 0), s10,
      );
    }
    if (twoB) {
      w0 = part(format, 0, from + qApart, nibble);
      w1 = part(format, 1, from + qApart, nibble);
      w2 = part(format, 2, from + qApart, nibble);
      w3 = part(format, 3, from + qApart, nibble);
      s01 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f01, f01, 0, 0, 0, 0), s01);
    }
    from += <usize>1 << shift;
    values += roundedGroup(format);
    w0 = part(format, 0, from, nibble);
    w1 = part(format, 1, from, nibble);
    w2 = part(format, 2, from, nibble);
    w3 = part(format, 3, from, nibble);
    s00 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f00, f00, 1, 1, 1, 1), s00);
    if (twoA) {
      s10 = madd(
        groupOf(format, values + xStride, w0, w1, w2, w3, ones), v128.shuffle<f32>(f10, f10, 1, 1, 1, 1), s10,
      );
    }
    if (twoB) {
      w0 = part(format, 0, from + qApart, nibble);
      w1 = part(format, 1, from + qApart, nibble);
      w2 = part(format, 2, from + qApart, nibble);
      w3 = part(format, 3, from + qApart, nibble);
      s01 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f01, f01, 1, 1, 1, 1), s01);
    }
    from += <usize>1 << shift;
    values += roundedGroup(format);
    w0 = part(format, 0, from, nibble);
    w1 = part(format, 1, from, nibble);
    w2 = part(format, 2, from, nibble);
    w3 = part(format, 3, from, nibble);
    s00 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f00, f00, 2, 2, 2, 2), s00);
    if (twoA) {
      s10 = madd(
        groupOf(format, values + xStride, w0, w1, w2, w3, ones), v128.shuffle<f32>(f10, f10, 2, 2, 2, 2), s10,
      );
    }
    if (twoB) {
      w0 = part(format, 0, from + qApart, nibble);
      w1 = part(format, 1, from + qApart, nibble);
      w2 = part(format, 2, from + qApart, nibble);
      w3 = part(format, 3, from + qApart, nibble);
      s01 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f01, f01, 2, 2, 2, 2), s01);
    }
    from += <usize>1 << shift;
    values += roundedGroup(format);
    w0 = part(format, 0, from, nibble);
    w1 = part(format, 1, from, nibble);
    w2 = part(format, 2, from, nibble);
    w3 = part(format, 3, from, nibble);
    s00 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f00, f00, 3, 3, 3, 3), s00);
    if (twoA) {
      s10 = madd(
        groupOf(format, values + xStride, w0, w1, w2, w3, ones), v128.shuffle<f32>(f10, f10, 3, 3, 3, 3), s10,
      );
    }
    if (twoB) {
      w0 = part(format, 0, from + qApart, nibble);
      w1 = part(format, 1, from + qApart, nibble);
      w2 = part(format, 2, from + qApart, nibble);
      w3 = part(format, 3, from + qApart, nibble);
      s01 = madd(groupOf(format, values, w0, w1, w2, w3, ones), v128.shuffle<f32>(f01, f01, 3, 3, 3, 3), s01);
    }
  }
  let d00 = sumLanes(s00), d01 = sumLanes(s01), d10 = sumLanes(s10);
  for (; g < groups; g++) {
    const at = xScales + (g << 2);
    const zeros = at + (padded << 2);
    const from = q + (g << shift);
    const values = x + g * roundedGroup(format);
    let w0 = part(format, 0, from, nibble), w1 = part(format, 1, from, nibble);
    let w2 = part(format, 2, from, nibble), w3 = part(format, 3, from, nibble);
    const w = scaleAt(s, g);
    d00 += w * load<f32>(at) * sumLanes(groupOf(format, values, w0, w1, w2, w3, ones));
    if (format == INT4) d00 += w * load<f32>(zeros);
    if (twoA) {
      d10 += w * load<f32>(at + xStride) * sumLanes(groupOf(format, values + xStride, w0, w1, w2, w3, ones));
      if (format == INT4) d10 += w * load<f32>(zeros + xStride);
    }
    if (twoB) {
      w0 = part(format, 0, from + qApart, nibble);
      w1 = part(format, 1, from + qApart, nibble);
      w2 = part(format, 2, from + qApart, nibble);
      w3 = part(format, 3, from + qApart, nibble);
      const v = scaleAt(s + sApart, g);
      d01 += v * load<f32>(at) * sumLanes(groupOf(format, values, w0, w1, w2, w3, ones));
      if (format == INT4) d01 += v * load<f32>(zeros);
    }
  }
  store<f32>(c, d00);
  if (twoA) store<f32>(c + cDown, d10);
  if (twoB) store<f32>(c + cAlong, d01);
}

// @ts-ignore: decorator
@inline
function fewRowsOf(
  format: i32, M: i32, N: i32, K: i32, x: usize, quants: usize, scales: usize, groups: i32, c: usize, ldc: i32,
): void {
  const stride = roundedBytes(K);
  const qRow = <usize>groups << groupShift(format), sRow = <usize>groups << 1;
  const down = <usize>ldc << 2;
  if (M == 1) {
    const half = N >> 1; // two long streams: see dotRows
    for (let n = 0; n < half; n++) {
      dots(format, false, true, K, x, 0, quants, <usize>half * qRow, scales, <usize>half * sRow, c, 0, <usize>half << 2);
      quants += qRow;
      scales += sRow;
      c += 4;
    }
    if (N & 1) {
      const last = <usize>half;
      dots(format, false, false, K, x, 0, quants + last * qRow, 0, scales + last * sRow, 0, c + (last << 2), 0, 0);
    }
    return;
  }
  for (let n = 0; n < N; n++) {
    let row = x, to = c;
    let m = 0;
    for (; m + 2 <= M; m += 2) {
      dots(format, true, false, K, row, stride, quants, 0, scales, 0, to, down, 0);
      row += 2 * stride;
      to += 2 * down;
    }
    if (m < M) dots(format, false, false, K, row, 0, quants, 0, scales, 0, to, 0, 0);
    quants += qRow;
    scales += sRow;
    c += 4;
  }
}

/**
 * Parts [begin, end) of C [M, N] = A·Bᵀ (transB 1, B [N, K]) or A·B (transB 0, B [K, N]), A being f32 [M, K] without
 * gaps: as `gemmParts`. `groups`: of a stored row of B. scratch: intScratchBytes(transB, M, N, K), one for each thread.
 */
export function intParts(
  format: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, quants: usize, scales: usize, groups: i32,
  c: usize, scratch: usize, byColumns: i32, size: i32, begin: i32, end: i32,
): void {
  const from = begin * size;
  const to = min(end * size, byColumns ? N : M);
  if (from >= to) return;
  const rows = byColumns ? M : to - from;
  const firstRow = byColumns ? 0 : from;
  const cols = byColumns ? to - from : N;
  const firstCol = byColumns ? from : 0;
  a += <usize>firstRow * <usize>K << 2;
  c += (<usize>firstRow * <usize>N + <usize>firstCol) << 2;
  if (!transB || M > FEW) {
    blockedProduct(true, format, 0, transB, rows, cols, K, a, K, quants, groups, scales, firstCol, c, N, 1, 0, scratch);
    return;
  }
  const room = scratch + <usize>M * roundedBytes(K);
  for (let m = 0; m < rows; m++) {
    roundRow(format, K, a + (<usize>m * <usize>K << 2), scratch + <usize>m * roundedBytes(K), room);
  }
  const first = <usize>firstCol * <usize>groups;
  const q = quants + (first << groupShift(format)), s = scales + (first << 1);
  if (format == INT4) fewRowsOf(INT4, rows, cols, K, scratch, q, s, groups, c, N);
  else fewRowsOf(INT8, rows, cols, K, scratch, q, s, groups, c, N);
}
