// Convolutions of each channel by itself, straight from the image: as many reads as products, so nothing to pack.

import { madd } from "./simd";
import { sourceAt, targetAt, Walk } from "./walk";

/**
 * dst [tapsDown · tapsAcross, C] from weight [C, kernel height, kernel width]: the taps firstDown + t · stepDown, …, tap after
 * tap.
 */
export function packDepthwiseWeight(
  weight: usize, C: i32, kernelHeight: i32, kernelWidth: i32,
  tapsDown: i32, firstDown: i32, stepDown: i32, tapsAcross: i32, firstAcross: i32, stepAcross: i32, dst: usize,
): void {
  for (let t = 0; t < tapsDown; t++) {
    for (let s = 0; s < tapsAcross; s++) {
      const tap = (firstDown + t * stepDown) * kernelWidth + firstAcross + s * stepAcross;
      for (let c = 0; c < C; c++) {
        const at = <usize>(c * kernelHeight * kernelWidth + tap) << 2;
        store<f32>(dst, load<f32>(weight + at));
        dst += 4;
      }
    }
  }
}

/** The first index whose place `at` + index · step is at least 0; step > 0. */
// @ts-ignore: decorator
@inline
function firstInside(at: i32, step: i32): i32 {
  return at >= 0 ? 0 : (step - 1 - at) / step;
}

/** The first index from 0 up to `count` whose place `at` + index · step is `side` or more. */
// @ts-ignore: decorator
@inline
function endInside(at: i32, step: i32, side: i32, count: i32): i32 {
  return at >= side ? 0 : min(count, (side - 1 - at) / step + 1);
}

/** Whether the windows of neighbouring pixels are three wide and one apart, so that four of them share six pixels. */
// @ts-ignore: decorator
@inline
function overlaps(across: i32, tapStep: usize, spotStep: usize): bool {
  return across == 3 && tapStep == spotStep;
}

/**
 * `spots` neighbouring pixels of the target, 4 or 1, over the taps [down, across) from `from` on: all channels.
 * The steps are bytes from row to row of taps, from tap to tap, and from pixel to pixel of source and target.
 */
// @ts-ignore: decorator
@inline
function pixels(
  spots: i32, C: i32, from: usize, weights: usize, bias: usize, to: usize, down: i32, across: i32,
  rowStep: usize, tapStep: usize, weightRow: usize, spotStep: usize, targetStep: usize,
): void {
  const channels = <usize>C << 2;
  let c: usize = 0;
  for (; c + 16 <= channels; c += 16) {
    let s0 = bias ? v128.load(bias + c) : f32x4.splat(0);
    let s1 = s0, s2 = s0, s3 = s0;
    let row = from + c, weightAt = weights + c;
    for (let t = 0; t < down; t++) {
      let p = row, q = weightAt;
      if (spots == 4 && overlaps(across, tapStep, spotStep)) {
        const w0 = v128.load(q), w1 = v128.load(q + channels), w2 = v128.load(q + 2 * channels);
        let x = v128.load(p);
        s0 = madd(x, w0, s0);
        x = v128.load(p + tapStep);
        s0 = madd(x, w1, s0);
        s1 = madd(x, w0, s1);
        p += 2 * tapStep;
        x = v128.load(p);
        s0 = madd(x, w2, s0);
        s1 = madd(x, w1, s1);
        s2 = madd(x, w0, s2);
        x = v128.load(p + tapStep);
        s1 = madd(x, w2, s1);
        s2 = madd(x, w1, s2);
        s3 = madd(x, w0, s3);
        p += 2 * tapStep;
        x = v128.load(p);
        s2 = madd(x, w2, s2);
        s3 = madd(x, w1, s3);
        s3 = madd(v128.load(p + tapStep), w2, s3);
      } else {
        for (let s = 0; s < across; s++) {
          const w = v128.load(q);
          s0 = madd(v128.load(p), w, s0);
          if (spots == 4) {
            s1 = madd(v128.load(p + spotStep), w, s1);
            s2 = madd(v128.load(p + 2 * spotStep), w, s2);
            s3 = madd(v128.load(p + 3 * spotStep), w, s3);
          }
          p += tapStep;
          q += channels;
        }
      }
      row += rowStep;
      weightAt += weightRow;
    }
    v128.store(to + c, s0);
    if (spots == 4) {
      v128.store(to + targetStep + c, s1);
      v128.store(to + 2 * targetStep + c, s2);
      v128.store(to + 3 * targetStep + c, s3);
    }
  }
  for (; c < channels; c += 4) {
    for (let spot: usize = 0; spot < <usize>spots; spot++) {
      let sum = bias ? load<f32>(bias + c) : <f32>0;
      let row = from + spot * spotStep + c, weightAt = weights + c;
      for (let t = 0; t < down; t++) {
        let p = row, q = weightAt;
        for (let s = 0; s < across; s++) {
          sum += load<f32>(p) * load<f32>(q);
          p += tapStep;
          q += channels;
        }
        row += rowStep;
        weightAt += weightRow;
      }
      store<f32>(to + spot * targetStep + c, sum);
    }
  }
}

function fourPixels(
  C: i32, from: usize, weights: usize, bias: usize, to: usize, down: i32, across: i32,
  rowStep: usize, tapStep: usize, weightRow: usize, spotStep: usize, targetStep: usize,
): void {
  pixels(4, C, from, weights, bias, to, down, across, rowStep, tapStep, weightRow, spotStep, targetStep);
}

function onePixel(
  C: i32, from: usize, weights: usize, bias: usize, to: usize, down: i32, across: i32,
  rowStep: usize, tapStep: usize, weightRow: usize,
): void {
  pixels(1, C, from, weights, bias, to, down, across, rowStep, tapStep, weightRow, 0, 0);
}

/**
 * The visited pixels of `target`: bias + Σ over taps of source ⊙ weights [taps, C], for rows [begin, end) of the batch · rows
 * visited. bias [C], or 0 for none.
 */
export function depthwise(
  walk: usize, source: usize, weights: usize, bias: usize, target: usize, begin: i32, end: i32,
): void {
  const w = changetype<Walk>(walk);
  const C = w.sourceChannels;
  const pixelBytes = <usize>C << 2;
  const rowStep = <usize>(w.tapDown * w.sourceWidth) * pixelBytes;
  const tapStep = <usize>w.tapAcross * pixelBytes;
  const weightRow = <usize>w.tapsAcross * pixelBytes;
  const spotStep = <usize>w.across * pixelBytes;
  const targetStep = <usize>w.columnStep * pixelBytes;
  // Columns whose taps are all inside the image.
  const innerFrom = min(w.columns, firstInside(w.left, w.across));
  const innerTo = endInside(w.left + (w.tapsAcross - 1) * w.tapAcross, w.across, w.sourceWidth, w.columns);
  for (let line = begin; line < end; line++) {
    const image = line / w.rows;
    const i = line - image * w.rows;
    const row = i * w.down + w.top;
    const t0 = min(w.tapsDown, firstInside(row, max(1, w.tapDown)));
    const down = max(0, endInside(row, max(1, w.tapDown), w.sourceHeight, w.tapsDown) - t0);
    const kernel = weights + <usize>t0 * weightRow;
    let j = 0;
    while (j < w.columns) {
      const column = j * w.across + w.left;
      const to = target + targetAt(w, image, i, j);
      if (j >= innerFrom && j + 4 <= innerTo) {
        const from = source + sourceAt(w, image, row + t0 * w.tapDown, column);
        fourPixels(C, from, kernel, bias, to, down, w.tapsAcross, rowStep, tapStep, weightRow, spotStep, targetStep);
        j += 4;
        continue;
      }
      const s0 = min(w.tapsAcross, firstInside(column, max(1, w.tapAcross)));
      const across = max(0, endInside(column, max(1, w.tapAcross), w.sourceWidth, w.tapsAcross) - s0);
      const from = source + sourceAt(w, image, row + t0 * w.tapDown, column + s0 * w.tapAcross);
      const taps = kernel + <usize>s0 * pixelBytes;
      onePixel(C, from, taps, bias, to, across > 0 ? down : 0, across, rowStep, tapStep, weightRow);
      j++;
    }
  }
}

/** Channels of a task of `depthwiseWeightGrad`: a cache line of each pixel. */
// @ts-ignore: decorator
@inline
const CHANNELS: i32 = 16;

/** Bytes of scratch of one `depthwiseWeightGrad` call. */
export function depthwiseWeightGradScratchBytes(taps: i32): usize {
  return <usize>(taps * CHANNELS) << 2;
}

/** sums [16] += x ⊙ dy over `count` pixels; the steps are in bytes. */
function addProducts(x: usize, xStep: usize, dy: usize, dyStep: usize, count: i32, sums: usize): void {
  let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(sums, 32), s3 = v128.load(sums, 48);
  for (let p = 0; p < count; p++) {
    s0 = madd(v128.load(x), v128.load(dy), s0);
    s1 = madd(v128.load(x, 16), v128.load(dy, 16), s1);
    s2 = madd(v128.load(x, 32), v128.load(dy, 32), s2);
    s3 = madd(v128.load(x, 48), v128.load(dy, 48), s3);
    x += xStep;
    dy += dyStep;
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
}

/** The same for `channels` < 16. */
function addFewProducts(
  channels: i32, x: usize, xStep: usize, dy: usize, dyStep: usize, count: i32, sums: usize,
): void {
  let c: usize = 0;
  for (; c + 16 <= <usize>channels << 2; c += 16) {
    let s = v128.load(sums + c), p = x + c, q = dy + c;
    for (let i = 0; i < count; i++) {
      s = madd(v128.load(p), v128.load(q), s);
      p += xStep;
      q += dyStep;
    }
    v128.store(sums + c, s);
  }
  for (; c < <usize>channels << 2; c += 4) {
    let s = load<f32>(sums + c), p = x + c, q = dy + c;
    for (let i = 0; i < count; i++) {
      s += load<f32>(p) * load<f32>(q);
      p += xStep;
      q += dyStep;
    }
    store<f32>(sums + c, s);
  }
}

/**
 * out [C, taps] = Σ over visited pixels of dy ⊙ source, for tasks [begin, end) of 16 channels each. The walk visits all of dy.
 * scratch: depthwiseWeightGradScratchBytes, one for each thread.
 */
export function depthwiseWeightGrad(
  walk: usize, source: usize, dy: usize, out: usize, scratch: usize, begin: i32, end: i32,
): void {
  const w = changetype<Walk>(walk);
  const C = w.sourceChannels;
  const taps = w.tapsDown * w.tapsAcross;
  const pixelBytes = <usize>C << 2;
  for (let task = begin; task < end; task++) {
    const first = task * CHANNELS;
    const channels = min(CHANNELS, C - first);
    const x = source + (<usize>first << 2), arriving = dy + (<usize>first << 2);
    memory.fill(scratch, 0, <usize>(taps * CHANNELS) << 2);
    for (let line = 0; line < w.batch * w.rows; line++) {
      const image = line / w.rows;
      const i = line - image * w.rows;
      for (let t = 0; t < w.tapsDown; t++) {
        const row = i * w.down + w.top + t * w.tapDown;
        if (<u32>row >= <u32>w.sourceHeight) continue;
        for (let s = 0; s < w.tapsAcross; s++) {
          const column = w.left + s * w.tapAcross;
          const j = firstInside(column, w.across);
          const count = endInside(column, w.across, w.sourceWidth, w.columns) - j;
          if (count <= 0) continue;
          const from = x + sourceAt(w, image, row, column + j * w.across);
          const at = arriving + targetAt(w, image, i, j);
          const sums = scratch + (<usize>((t * w.tapsAcross + s) * CHANNELS) << 2);
          const step = <usize>w.across * pixelBytes;
          if (channels == CHANNELS) addProducts(from, step, at, pixelBytes, count, sums);
          else addFewProducts(channels, from, step, at, pixelBytes, count, sums);
        }
      }
    }
    for (let c = 0; c < channels; c++) {
      for (let tap = 0; tap < taps; tap++) {
        const sum = load<f32>(scratch + (<usize>(tap * CHANNELS + c) << 2));
        store<f32>(out + (<usize>((first + c) * taps + tap) << 2), sum);
      }
    }
  }
}
