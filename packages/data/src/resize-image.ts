import { resample } from "./resample.ts";
import { checkImage, checkSides, type RgbImage } from "./rgb-image.ts";

/**
 * How a picture of another shape is made to fit. `stretch`: whole, distorted. `cover`: undistorted, cut at both ends of
 * its longer side. `contain`: undistorted and whole, with bars beside it.
 */
export type ResizeMode = "stretch" | "cover" | "contain";

export interface ResizeImageOptions {
  /** In pixels. */
  height: number;
  /** In pixels. */
  width: number;
  /** @default "stretch" */
  mode?: ResizeMode;
  /** Bilinear, with antialiasing when it shrinks. @default "bilinear" */
  filter?: "bilinear";
  /** Red, green and blue of the bars of `contain`, 0 to 255. @default [0, 0, 0] */
  background?: readonly [number, number, number];
}

/**
 * An image at another size, by the formula of `resample`: byte for byte what Pillow gives with `BILINEAR`, from
 * `resize` for `stretch` and from `ImageOps.fit` for `cover`. torchvision differs by at most rounding.
 *
 * @returns a new image, at the same size too
 * @throws ShapeError when the image has not the bytes that its size wants
 * @throws RangeError when an option cannot be
 */
export function resizeImage(image: RgbImage, options: ResizeImageOptions): RgbImage {
  const { height, width, mode = "stretch", filter = "bilinear", background = [0, 0, 0] } = options;
  checkImage("resizeImage", image);
  checkSides("resizeImage", { height, width });
  if (filter !== "bilinear") {
    throw new RangeError(`resizeImage: filter is "${filter}", expected "bilinear". Leave it out.`);
  }
  const whole = { top: 0, left: 0, height: image.height, width: image.width };
  switch (mode) {
    case "stretch":
      return resample(image, whole, whole, { height, width });
    case "cover":
      return resample(image, whole, centredBox(image, width / height), { height, width });
    case "contain": {
      const scale = Math.min(height / image.height, width / image.width);
      const inner = {
        height: Math.min(height, Math.max(1, Math.round(image.height * scale))),
        width: Math.min(width, Math.max(1, Math.round(image.width * scale))),
      };
      return withBars(resample(image, whole, whole, inner), { height, width }, background);
    }
    default:
      throw new RangeError(`resizeImage: mode is "${mode}", expected "stretch", "cover" or "contain".`);
  }
}

/** The largest part in the middle with the given `width / height`. Fractional, and rounded as Pillow rounds it. */
function centredBox(image: RgbImage, ratio: number) {
  const isWider = image.width / image.height >= ratio;
  const width = isWider ? ratio * image.height : image.width;
  const height = isWider ? image.height : image.width / ratio;
  const left = Math.fround((image.width - width) / 2);
  const top = Math.fround((image.height - height) / 2);
  const right = Math.fround((image.width - width) / 2 + width);
  const bottom = Math.fround((image.height - height) / 2 + height);
  return { top, left, height: Math.fround(bottom - top), width: Math.fround(right - left) };
}

function withBars(
  inner: RgbImage,
  { height, width }: { height: number; width: number },
  background: readonly [number, number, number],
): RgbImage {
  const data = new Uint8Array(height * width * 3);
  for (let i = 0; i < data.length; i++) data[i] = background[i % 3] as number;
  const top = Math.floor((height - inner.height) / 2);
  const left = Math.floor((width - inner.width) / 2);
  for (let y = 0; y < inner.height; y++) {
    const row = inner.data.subarray(y * inner.width * 3, (y + 1) * inner.width * 3);
    data.set(row, ((top + y) * width + left) * 3);
  }
  return { data, height, width };
}
