import type { RgbImage } from "./rgb-image.ts";

/**
 * Turns stored pixels upright.
 *
 * @param orientation - EXIF's 1 to 8: 1 as stored, 2 mirrored, 3 by 180°, 4 upside down, 5 mirrored and 270°
 *   clockwise, 6 by 90° clockwise, 7 mirrored and 90° clockwise, 8 by 270° clockwise
 * @returns a new image, or `image` itself for 1
 */
export function orientImage(image: RgbImage, orientation: number): RgbImage {
  if (orientation === 1) return image;
  const { data, width: W, height: H } = image;
  const swaps = orientation >= 5;
  const width = swaps ? H : W;
  const height = swaps ? W : H;
  const fromRight = [2, 3, 7, 8].includes(orientation); // of the stored picture
  const fromBottom = [3, 4, 6, 7].includes(orientation);

  const turned = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = swaps ? x : y;
      const column = swaps ? y : x;
      const from = 3 * ((fromBottom ? H - 1 - row : row) * W + (fromRight ? W - 1 - column : column));
      turned[to++] = data[from] as number;
      turned[to++] = data[from + 1] as number;
      turned[to++] = data[from + 2] as number;
    }
  }
  return { data: turned, width, height };
}
