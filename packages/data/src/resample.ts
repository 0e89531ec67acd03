import type { RgbImage } from "./rgb-image.ts";

/** A rectangle of pixels of an image: its left upper corner and its sides. */
export interface PixelBox {
  top: number;
  left: number;
  height: number;
  width: number;
}

const fractionBits = 22; // 255 * 2^22 fits an int32

/**
 * Resamples the part `box` of an image to `size`, by bilinear filtering with antialiasing: the bytes of Pillow's
 * `image.crop(within).resize(size, BILINEAR, box)`.
 *
 * Along each axis, with `s = box side / output side` and `f = max(s, 1)`, the output pixel `i` has its centre at
 * `c = start + (i + 1/2) s`, and the input pixel `j` has the weight `max(0, 1 - |j + 1/2 - c| / f)`, divided by the sum
 * of the weights. First along rows, then along columns, each rounded to a byte; weights have 22 bits after the point.
 *
 * @param box - in pixels, may be fractional; inside `within`
 * @param within - whole pixels inside the image: no other is looked at
 * @returns a new image
 */
export function resample(
  image: RgbImage,
  within: PixelBox,
  box: PixelBox,
  size: { height: number; width: number },
): RgbImage {
  const { height, width } = size;
  const across = coefficients(within.width, box.left - within.left, box.width, width);
  const down = coefficients(within.height, box.top - within.top, box.height, height);

  const firstRow = down.starts[0] as number;
  const lastRow = (down.starts[height - 1] as number) + (down.counts[height - 1] as number);
  const used: PixelBox = { ...within, top: within.top + firstRow, height: lastRow - firstRow };
  const rows = resampleRows(image, used, across); // [used.height, width, 3]
  return { data: resampleColumns(rows, width * 3, down, firstRow), height, width };
}

/** For each output pixel, where its input pixels begin, how many they are, and their weights. */
interface Coefficients {
  starts: Int32Array;
  counts: Int32Array;
  /** [output pixels, taps], of which the first `count` of each row are used; 2^22 stands for 1. */
  weights: Int32Array;
  taps: number;
  /** Every output pixel is the input pixel in the same place. */
  isIdentity: boolean;
}

function coefficients(length: number, start: number, side: number, outputs: number): Coefficients {
  const step = side / outputs;
  const support = Math.max(step, 1);
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(outputs);
  const counts = new Int32Array(outputs);
  const weights = new Int32Array(outputs * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < outputs; i++) {
    const centre = start + (i + 0.5) * step;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(length, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = first; j < end; j++) {
      const weight = Math.max(0, 1 - Math.abs((j - centre + 0.5) / support));
      exact[j - first] = weight;
      sum += weight;
    }
    for (let j = 0; j < end - first; j++) {
      weights[i * taps + j] = Math.trunc(0.5 + ((exact[j] as number) / sum) * 2 ** fractionBits);
    }
    starts[i] = first;
    counts[i] = end - first;
  }
  return { starts, counts, weights, taps, isIdentity: side === length && outputs === length };
}

function resampleRows({ data, width: stride }: RgbImage, box: PixelBox, across: Coefficients): Uint8Array {
  const { starts, counts, weights, taps, isIdentity } = across;
  const outputs = starts.length;
  const rows = new Uint8ClampedArray(box.height * outputs * 3);
  const half = 2 ** (fractionBits - 1);
  let to = 0;
  for (let y = 0; y < box.height; y++) {
    const row = ((box.top + y) * stride + box.left) * 3;
    if (isIdentity) {
      rows.set(data.subarray(row, row + outputs * 3), to);
      to += outputs * 3;
      continue;
    }
    for (let i = 0; i < outputs; i++) {
      const end = i * taps + (counts[i] as number);
      let from = row + (starts[i] as number) * 3;
      let red = half;
      let green = half;
      let blue = half;
      for (let k = i * taps; k < end; k++) {
        const weight = weights[k] as number;
        red = (red + Math.imul(weight, data[from] as number)) | 0;
        green = (green + Math.imul(weight, data[from + 1] as number)) | 0;
        blue = (blue + Math.imul(weight, data[from + 2] as number)) | 0;
        from += 3;
      }
      rows[to] = red >> fractionBits;
      rows[to + 1] = green >> fractionBits;
      rows[to + 2] = blue >> fractionBits;
      to += 3;
    }
  }
  return new Uint8Array(rows.buffer);
}

/** @param firstRow - of the input, which row 0 of `rows` is */
function resampleColumns(
  rows: Uint8Array,
  rowLength: number,
  down: Coefficients,
  firstRow: number,
): Uint8Array {
  const { starts, counts, weights, taps, isIdentity } = down;
  if (isIdentity) return rows;
  const columns = new Uint8ClampedArray(starts.length * rowLength);
  const sums = new Int32Array(rowLength);
  for (let i = 0; i < starts.length; i++) {
    sums.fill(2 ** (fractionBits - 1));
    const count = counts[i] as number;
    for (let k = 0; k < count; k++) {
      const weight = weights[i * taps + k] as number;
      const row = ((starts[i] as number) - firstRow + k) * rowLength;
      for (let x = 0; x < rowLength; x++) {
        sums[x] = (sums[x] as number) + Math.imul(weight, rows[row + x] as number);
      }
    }
    const to = i * rowLength;
    for (let x = 0; x < rowLength; x++) columns[to + x] = (sums[x] as number) >> fractionBits;
  }
  return new Uint8Array(columns.buffer);
}
