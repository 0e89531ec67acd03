import { ShapeError } from "@corenet/core";

/** A decoded picture: one byte for red, green and blue of each pixel, row after row from the top left. */
export interface RgbImage {
  /** [height, width, 3], 0 to 255. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Throws ShapeError unless `data` holds exactly `height` x `width` pixels, at least one. */
export function checkImage(who: string, { data, height, width }: RgbImage): void {
  const hasSize = isSide(height) && isSide(width);
  if (hasSize && data.length === height * width * 3) return;
  throw new ShapeError(
    `${who}: the image has ${data.length} bytes for height ${height} and width ${width}, expected height x width x 3 ` +
      "with both at least 1. Pass what decodeImage returned, or RGB without alpha.",
  );
}

/** Throws RangeError unless both sides are whole numbers of pixels, at least 1. */
export function checkSides(who: string, { height, width }: { height: number; width: number }): void {
  if (isSide(height) && isSide(width)) return;
  throw new RangeError(
    `${who}: height is ${height} and width is ${width}, expected whole numbers of at least 1. Pass a size in pixels.`,
  );
}

function isSide(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
