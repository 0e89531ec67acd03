// Convolutions as matrix products whose left rows lie scattered in an image. No patch is copied: a tile of the result
// reads the pixels of its taps through a table of addresses, padding through the address of a row of zeros.
// Dukhan 2019, "The Indirect Convolution Algorithm", arXiv:1907.02129.

import { blockProduct, packedTileBytes } from "./gemm";
import { packA, panelOfRows8 } from "./pack";
import { madd } from "./simd";
import { depthOf, pixelsOf, sourceAt, targetAt, Walk, widthOf } from "./walk";

/** Depth that a tile adds up before it goes to memory: a panel of so many steps stays in the first cache. */
// @ts-ignore: decorator
@inline
const DEPTH: i32 = 256;
/** Pixels, of which the gradient of the weight takes so many at a time, and outputs: both packed, for the caches. */
// @ts-ignore: decorator
@inline
const OUTPUTS: i32 = 96;
// @ts-ignore: decorator
@inline
const COLUMNS: i32 = 512;

/**
 * In front of a block's table, of six pixels: where they are in the target; where their images are in the source, and which
 * row and column of it their first tap meets; then how many numbers a segment has, and a gap.
 */
// @ts-ignore: decorator
@inline
const HEAD: usize = 112;
// @ts-ignore: decorator
@inline
const IMAGE: usize = 24;
// @ts-ignore: decorator
@inline
const ROW: usize = 48;
// @ts-ignore: decorator
@inline
const COLUMN: usize = 72;
// @ts-ignore: decorator
@inline
const LENGTH: usize = 96;
/** Bytes of the addresses of one segment in six rows. */
// @ts-ignore: decorator
@inline
const LINE: usize = 24;
/** Bytes of one step of a panel. */
// @ts-ignore: decorator
@inline
const STEP: usize = 32;

// @ts-ignore: decorator
@inline
function blocks(n: i32, size: i32): i32 {
  return (n + size - 1) / size;
}

// @ts-ignore: decorator
@inline
function even(n: i32): i32 {
  return n + (n & 1);
}

/** Bytes of one panel of 8 columns of a weight over `depth` numbers: 8 biases, then depth steps of 8. */
// @ts-ignore: decorator
@inline
function panelBytes(depth: i32): usize {
  return <usize>(1 + even(depth)) * STEP;
}

/** Panels of a weight with `width` columns in each group. */
export function convPanels(groups: i32, width: i32): i32 {
  return groups * blocks(width, 8);
}

/** Floats of all panels. */
export function convPanelFloats(groups: i32, width: i32, depth: i32): i32 {
  return convPanels(groups, width) * <i32>(panelBytes(depth) >> 2);
}

/** Packs panels [begin, end) of weight [groups · width, depth] and bias [groups · width], or 0 for none. */
export function packConvWeight(
  weight: usize, bias: usize, width: i32, depth: i32, panels: usize, begin: i32, end: i32,
): void {
  const perGroup = blocks(width, 8);
  for (let p = begin; p < end; p++) {
    const g = p / perGroup;
    const n = (p - g * perGroup) * 8;
    const columns = min(8, width - n);
    const first = <usize>(g * width + n);
    const dst = panels + <usize>p * panelBytes(depth);
    for (let i = 0; i < 8; i++) {
      const at = first + <usize>min(i, columns - 1) << 2;
      store<f32>(dst + (<usize>i << 2), bias ? load<f32>(bias + at) : 0);
    }
    panelOfRows8(0, weight + (first * <usize>depth << 2), <usize>depth << 2, columns, depth, dst + STEP);
  }
}

/**
 * Packs panels [begin, end) of the turned weight, for the gradient of the image: columns are the channels of a group, steps
 * the taps firstDown + t · stepDown, … and in each the outputs of the group. weight [groups · outputs, kernel height, kernel
 * width, channels].
 */
export function packTurnedConvWeight(
  weight: usize, outputs: i32, kernelHeight: i32, kernelWidth: i32, channels: i32,
  tapsDown: i32, firstDown: i32, stepDown: i32, tapsAcross: i32, firstAcross: i32, stepAcross: i32,
  panels: usize, begin: i32, end: i32,
): void {
  const perGroup = blocks(channels, 8);
  const depth = tapsDown * tapsAcross * outputs;
  const stride = <usize>(kernelHeight * kernelWidth * channels) << 2;
  for (let p = begin; p < end; p++) {
    const g = p / perGroup;
    const n = (p - g * perGroup) * 8;
    const columns = min(8, channels - n);
    let dst = panels + <usize>p * panelBytes(depth);
    memory.fill(dst, 0, STEP); // no bias
    dst += STEP;
    for (let t = 0; t < tapsDown; t++) {
      for (let s = 0; s < tapsAcross; s++) {
        const tap = (firstDown + t * stepDown) * kernelWidth + firstAcross + s * stepAcross;
        let src = weight + <usize>(g * outputs) * stride + (<usize>(tap * channels + n) << 2);
        for (let o = 0; o < outputs; o++) {
          if (columns == 8) {
            v128.store(dst, v128.load(src));
            v128.store(dst, v128.load(src, 16), 16);
          } else {
            for (let i = 0; i < 8; i++) {
              store<f32>(dst + (<usize>i << 2), load<f32>(src + (<usize>min(i, columns - 1) << 2)));
            }
          }
          src += stride;
          dst += STEP;
        }
      }
    }
  }
}

/** Bytes of a row of zeros that stands for padding, of `n` numbers. */
// @ts-ignore: decorator
@inline
function zeroBytes(n: i32): usize {
  return ((<usize>n << 2) + 15) & ~15;
}

// @ts-ignore: decorator
@inline
function blockTableBytes(w: Walk): usize {
  return (HEAD + <usize>(w.tapsDown * w.tapsAcross) * LINE + 15) & ~15;
}

/** Bytes of scratch of one `convolve` call whose tasks have `rows` pixels. */
export function convScratchBytes(walk: usize, rows: i32): usize {
  const w = changetype<Walk>(walk);
  return packedTileBytes() + zeroBytes(w.tapsAcross * depthOf(w)) + <usize>blocks(rows, 6) * blockTableBytes(w);
}

/** The heads of the tables, `bytes` apart, of `count` visited pixels from `pixel` on; the last one fills up its block. */
function placePixels(w: Walk, table: usize, bytes: usize, source: usize, target: usize, pixel: i32, count: i32): void {
  let j = pixel % w.columns;
  let i = (pixel / w.columns) % w.rows;
  let image = pixel / (w.columns * w.rows);
  for (let p = 0; p < count; p += 6) {
    for (let lane: usize = 0; lane < LINE; lane += 4) {
      store<u32>(table + lane, <u32>(target + targetAt(w, image, i, j)));
      store<u32>(table + IMAGE + lane, <u32>(source + sourceAt(w, image, 0, 0)));
      store<i32>(table + ROW + lane, i * w.down + w.top);
      store<i32>(table + COLUMN + lane, j * w.across + w.left);
      if (p + <i32>(lane >> 2) + 1 >= count) continue;
      if (++j == w.columns) {
        j = 0;
        if (++i == w.rows) {
          i = 0;
          image++;
        }
      }
    }
    table += bytes;
  }
}

/**
 * The table of six pixels behind its head: where the numbers of each of their taps are. Where no tap falls beside the image,
 * and taps lie side by side, those of a row are one segment.
 */
function fillTable(w: Walk, table: usize, zeros: usize): void {
  const depth = depthOf(w);
  const inside = w.sourceWidth - (w.tapsAcross - 1) * w.tapAcross;
  let joined = w.tapAcross == 1 && w.groups == 1;
  for (let lane: usize = 0; lane < LINE; lane += 4) {
    const column = load<i32>(table + COLUMN + lane);
    if (column < 0 || column >= inside) joined = false;
  }
  const segments = joined ? 1 : w.tapsAcross; // of a row of taps
  store<i32>(table + LENGTH, joined ? w.tapsAcross * depth : depth);
  const rowBytes = <usize>w.sourceWidth * <usize>w.sourceChannels << 2;
  for (let lane: usize = 0; lane < LINE; lane += 4) {
    const image = <usize>load<u32>(table + IMAGE + lane);
    const first = load<i32>(table + COLUMN + lane);
    let row = load<i32>(table + ROW + lane);
    let entry = table + HEAD + lane;
    for (let t = 0; t < w.tapsDown; t++) {
      const isRow = <u32>row < <u32>w.sourceHeight;
      const line = image + <usize>row * rowBytes;
      let column = first;
      for (let s = 0; s < segments; s++) {
        const isPixel = isRow && <u32>column < <u32>w.sourceWidth;
        const at = line + (<usize>column * <usize>w.sourceChannels << 2);
        store<u32>(entry, <u32>(isPixel ? at : zeros));
        column += w.tapAcross;
        entry += LINE;
      }
      row += w.tapDown;
    }
  }
}

// @ts-ignore: decorator
@inline
function put(to: usize, x0: v128, x1: v128, accumulate: bool): void {
  v128.store(to, accumulate ? f32x4.add(v128.load(to), x0) : x0);
  v128.store(to, accumulate ? f32x4.add(v128.load(to, 16), x1) : x1, 16);
}

/**
 * Depth [from, to) of six pixels by eight columns; from 0 on with the bias, later added to what is there. The micro-kernel
 * of `gemm`, except that the six rows are read where they lie.
 *
 * @param column - bytes from the first column of the target to these
 * @param spare - room for a tile, which is written where `rows` x `columns` is not all of it
 */
function tile(table: usize, panel: usize, from: i32, to: i32, column: usize, rows: i32, columns: i32, spare: usize): void {
  let a = v128.load(panel), b0 = v128.load(panel, 16), b1 = f32x4.splat(0);
  if (from > 0) {
    a = f32x4.splat(0);
    b0 = f32x4.splat(0);
  }
  let c00 = a, c01 = b0, c10 = a, c11 = b0, c20 = a, c21 = b0;
  let c30 = a, c31 = b0, c40 = a, c41 = b0, c50 = a, c51 = b0;
  const length = load<i32>(table, LENGTH);
  let left = to - from;
  if (left > 0) {
    const segment = from / length;
    let at = <usize>(from - segment * length) << 2;
    let entry = table + HEAD + <usize>segment * LINE;
    let pb = panel + STEP + <usize>from * STEP;
    do {
      let k = min(left, length - <i32>(at >> 2));
      left -= k;
      let p0 = <usize>load<u32>(entry) + at;
      let p1 = <usize>load<u32>(entry, 4) + at;
      let p2 = <usize>load<u32>(entry, 8) + at;
      let p3 = <usize>load<u32>(entry, 12) + at;
      let p4 = <usize>load<u32>(entry, 16) + at;
      let p5 = <usize>load<u32>(entry, 20) + at;
      entry += LINE;
      at = 0;
      if (k & 1) {
        b0 = v128.load(pb);
        b1 = v128.load(pb, 16);
        a = v128.load32_splat(p0);
        c00 = madd(a, b0, c00);
        c01 = madd(a, b1, c01);
        a = v128.load32_splat(p1);
        c10 = madd(a, b0, c10);
        c11 = madd(a, b1, c11);
        a = v128.load32_splat(p2);
        c20 = madd(a, b0, c20);
        c21 = madd(a, b1, c21);
        a = v128.load32_splat(p3);
        c30 = madd(a, b0, c30);
        c31 = madd(a, b1, c31);
        a = v128.load32_splat(p4);
        c40 = madd(a, b0, c40);
        c41 = madd(a, b1, c41);
        a = v128.load32_splat(p5);
        c50 = madd(a, b0, c50);
        c51 = madd(a, b1, c51);
        p0 += 4;
        p1 += 4;
        p2 += 4;
        p3 += 4;
        p4 += 4;
        p5 += 4;
        pb += STEP;
        k--;
      }
      while (k > 0) {
        b0 = v128.load(pb);
        b1 = v128.load(pb, 16);
        a = v128.load32_splat(p0);
        c00 = madd(a, b0, c00);
        c01 = madd(a, b1, c01);
        a = v128.load32_splat(p1);
        c10 = madd(a, b0, c10);
        c11 = madd(a, b1, c11);
        a = v128.load32_splat(p2);
        c20 = madd(a, b0, c20);
        c21 = madd(a, b1, c21);
        a = v128.load32_splat(p3);
        c30 = madd(a, b0, c30);
        c31 = madd(a, b1, c31);
        a = v128.load32_splat(p4);
        c40 = madd(a, b0, c40);
        c41 = madd(a, b1, c41);
        a = v128.load32_splat(p5);
        c50 = madd(a, b0, c50);
        c51 = madd(a, b1, c51);
        if (k < 0) break; // never: keeps Binaryen from nesting the two steps, see `microKernel`
        b0 = v128.load(pb, 32);
        b1 = v128.load(pb, 48);
        a = v128.load32_splat(p0, 4);
        c00 = madd(a, b0, c00);
        c01 = madd(a, b1, c01);
        a = v128.load32_splat(p1, 4);
        c10 = madd(a, b0, c10);
        c11 = madd(a, b1, c11);
        a = v128.load32_splat(p2, 4);
        c20 = madd(a, b0, c20);
        c21 = madd(a, b1, c21);
        a = v128.load32_splat(p3, 4);
        c30 = madd(a, b0, c30);
        c31 = madd(a, b1, c31);
        a = v128.load32_splat(p4, 4);
        c40 = madd(a, b0, c40);
        c41 = madd(a, b1, c41);
        a = v128.load32_splat(p5, 4);
        c50 = madd(a, b0, c50);
        c51 = madd(a, b1, c51);
        p0 += 8;
        p1 += 8;
        p2 += 8;
        p3 += 8;
        p4 += 8;
        p5 += 8;
        pb += 2 * STEP;
        k -= 2;
      }
    } while (left > 0);
  }
  const accumulate = from > 0;
  if (rows == 6 && columns == 8) {
    put(<usize>load<u32>(table) + column, c00, c01, accumulate);
    put(<usize>load<u32>(table, 4) + column, c10, c11, accumulate);
    put(<usize>load<u32>(table, 8) + column, c20, c21, accumulate);
    put(<usize>load<u32>(table, 12) + column, c30, c31, accumulate);
    put(<usize>load<u32>(table, 16) + column, c40, c41, accumulate);
    put(<usize>load<u32>(table, 20) + column, c50, c51, accumulate);
    return;
  }
  put(spare, c00, c01, false);
  put(spare + 32, c10, c11, false);
  put(spare + 64, c20, c21, false);
  put(spare + 96, c30, c31, false);
  put(spare + 128, c40, c41, false);
  put(spare + 160, c50, c51, false);
  for (let i = 0; i < rows; i++) {
    const line = <usize>load<u32>(table + (<usize>i << 2)) + column;
    for (let j = 0; j < columns; j++) {
      const at = <usize>j << 2;
      const value = load<f32>(spare + (<usize>i << 5) + at);
      store<f32>(line + at, accumulate ? load<f32>(line + at) + value : value);
    }
  }
}

/** Tasks of `convolve`. */
export function convTasks(walk: usize, rows: i32, columns: i32): i32 {
  const w = changetype<Walk>(walk);
  return w.groups * blocks(pixelsOf(w), rows) * blocks(widthOf(w), columns);
}

/**
 * The visited pixels of `target`: bias + Σ over taps of source · panels, for tasks [begin, end) of `convTasks`. A task has
 * `rows` pixels, a multiple of 6, and `columns` numbers of a group, a multiple of 8. A number comes out the same whichever
 * task computes it. scratch: convScratchBytes, one for each thread.
 */
export function convolve(
  walk: usize, source: usize, panels: usize, target: usize, rows: i32, columns: i32, scratch: usize, begin: i32, end: i32,
): void {
  const w = changetype<Walk>(walk);
  const depth = depthOf(w), width = widthOf(w), pixels = pixelsOf(w);
  const K = w.tapsDown * w.tapsAcross * depth;
  const bytes = panelBytes(K), tableBytes = blockTableBytes(w);
  const perRow = blocks(width, columns), perGroup = blocks(pixels, rows) * perRow;
  const zeros = scratch + packedTileBytes();
  const table = zeros + zeroBytes(w.tapsAcross * depth);
  memory.fill(zeros, 0, zeroBytes(w.tapsAcross * depth));
  let filled = -1; // the pixels of the table, in tasks
  for (let task = begin; task < end; task++) {
    const g = task / perGroup;
    const inGroup = task - g * perGroup;
    const first = (inGroup / perRow) * rows;
    const count = min(rows, pixels - first);
    if (filled != task / perRow) {
      filled = task / perRow;
      const from = source + (<usize>(g * depth) << 2), to = target + (<usize>(g * width) << 2);
      placePixels(w, table, tableBytes, from, to, first, count);
      let at = table;
      for (let r = 0; r < count; r += 6) {
        fillTable(w, at, zeros);
        at += tableBytes;
      }
    }
    const n0 = (inGroup % perRow) * columns;
    const n1 = min(width, n0 + columns);
    let k = 0;
    do {
      const to = min(K, k + DEPTH);
      for (let n = n0; n < n1; n += 8) {
        const panel = panels + <usize>(g * blocks(width, 8) + n / 8) * bytes;
        let at = table;
        for (let r = 0; r < count; r += 6) {
          tile(at, panel, k, to, <usize>n << 2, min(6, count - r), min(8, n1 - n), scratch);
          at += tableBytes;
        }
      }
      k += DEPTH;
    } while (k < K);
  }
}

/** Bytes of scratch of one `convWeightGrad` call. It does not grow with the image. */
export function convWeightGradScratchBytes(walk: usize): usize {
  const w = changetype<Walk>(walk);
  const taps = w.tapsDown * w.tapsAcross;
  const columns = min(COLUMNS, taps * depthOf(w));
  const numbers = taps * DEPTH + DEPTH * (min(OUTPUTS, widthOf(w)) + 6 + columns + 8);
  return packedTileBytes() + zeroBytes(depthOf(w)) + (<usize>numbers << 2);
}

/** Where tap after tap in [begin, end) meets the source, for `count` visited pixels from `pixel` on: [taps, DEPTH]. */
function fillTaps(w: Walk, table: usize, source: usize, zeros: usize, pixel: i32, count: i32, begin: i32, end: i32): void {
  for (let tap = begin; tap < end; tap++) {
    const t = tap / w.tapsAcross;
    const s = tap - t * w.tapsAcross;
    let j = pixel % w.columns;
    let i = (pixel / w.columns) % w.rows;
    let image = pixel / (w.columns * w.rows);
    const step = <usize>(w.across * w.sourceChannels) << 2;
    for (let p = 0; p < count; ) {
      const end = min(count, p + w.columns - j); // of this row
      const row = i * w.down + w.top + t * w.tapDown;
      const width = <u32>row < <u32>w.sourceHeight ? <u32>w.sourceWidth : 0;
      let column = j * w.across + w.left + s * w.tapAcross;
      let at = source + sourceAt(w, image, row, column);
      for (; p < end; p++) {
        store<u32>(table + (<usize>p << 2), <u32>(<u32>column < width ? at : zeros));
        column += w.across;
        at += step;
      }
      j = 0;
      if (++i == w.rows) {
        i = 0;
        image++;
      }
    }
    table += DEPTH << 2;
  }
}

/** One panel of 8 columns of patches from `column` on, of which `columns` are there, over `count` pixels. */
function packPatches(table: usize, firstTap: i32, depth: i32, column: i32, columns: i32, count: i32, dst: usize): void {
  const tap = column / depth;
  const channel = column - tap * depth;
  let line = table + (<usize>((tap - firstTap) * DEPTH) << 2);
  if (columns == 8 && channel + 8 <= depth) {
    for (let p = 0; p < count; p++) {
      const from = <usize>load<u32>(line + (<usize>p << 2)) + (<usize>channel << 2);
      v128.store(dst, v128.load(from));
      v128.store(dst, v128.load(from, 16), 16);
      dst += STEP;
    }
    if (count & 1) memory.fill(dst, 0, STEP);
    return;
  }
  if (count & 1) memory.fill(dst + <usize>count * STEP, 0, STEP);
  for (let lane = 0; lane < 8; lane++) {
    const own = column + min(lane, columns - 1);
    const ownTap = own / depth;
    line = table + (<usize>((ownTap - firstTap) * DEPTH) << 2);
    const offset = <usize>(own - ownTap * depth) << 2;
    const to = dst + (<usize>lane << 2);
    for (let p = 0; p < count; p++) {
      store<f32>(to + <usize>p * STEP, load<f32>(<usize>load<u32>(line + (<usize>p << 2)) + offset));
    }
  }
}

/**
 * out [groups · outputs, taps · channels] = dyᵀ · patches: the gradient of the weight, for tasks [begin, end). A group has
 * `parts` tasks, each `size` of its outputs, a multiple of 6, or of its columns, a multiple of 8, when `byColumns` is 1.
 * scratch: convWeightGradScratchBytes, one for each thread.
 */
export function convWeightGrad(
  walk: usize, source: usize, dy: usize, out: usize, byColumns: i32, size: i32, parts: i32, scratch: usize,
  begin: i32, end: i32,
): void {
  const w = changetype<Walk>(walk);
  const depth = depthOf(w), width = widthOf(w), pixels = pixelsOf(w);
  const taps = w.tapsDown * w.tapsAcross;
  const N = taps * depth;
  const zeros = scratch + packedTileBytes();
  const table = zeros + zeroBytes(depth);
  const packedA = table + (<usize>(taps * DEPTH) << 2);
  const packedB = packedA + (<usize>(DEPTH * (min(OUTPUTS, width) + 6)) << 2);
  memory.fill(zeros, 0, zeroBytes(depth));
  for (let task = begin; task < end; task++) {
    const g = task / parts;
    const from = (task - g * parts) * size;
    const m0 = byColumns ? 0 : from, m1 = byColumns ? width : min(width, from + size);
    const n0 = byColumns ? from : 0, n1 = byColumns ? min(N, from + size) : N;
    const firstTap = n0 / depth, endTap = (n1 - 1) / depth + 1;
    for (let p = 0; p < pixels; p += DEPTH) {
      const count = min(DEPTH, pixels - p);
      fillTaps(w, table, source + (<usize>(g * depth) << 2), zeros, p, count, firstTap, endTap);
      for (let n = n0; n < n1; n += COLUMNS) {
        const columns = min(COLUMNS, n1 - n);
        for (let c = 0; c < columns; c += 8) {
          const panel = packedB + <usize>(c >> 3) * <usize>even(count) * STEP;
          packPatches(table, firstTap, depth, n + c, min(8, columns - c), count, panel);
        }
        for (let m = m0; m < m1; m += OUTPUTS) {
          const outputs = min(OUTPUTS, m1 - m);
          const arriving = dy + (<usize>p * <usize>w.targetChannels + <usize>(g * width + m) << 2);
          packA(1, arriving, w.targetChannels, outputs, count, packedA);
          const to = out + (<usize>(g * width + m) * <usize>N + <usize>n << 2);
          blockProduct(outputs, columns, even(count), packedA, packedB, to, <usize>N << 2, 1, p > 0 ? 1 : 0, scratch);
        }
      }
    }
    if (pixels == 0) {
      for (let m = m0; m < m1; m++) {
        memory.fill(out + (<usize>(g * width + m) * <usize>N + <usize>n0 << 2), 0, <usize>(n1 - n0) << 2);
      }
    }
  }
}
