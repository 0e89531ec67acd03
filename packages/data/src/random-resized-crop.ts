import type { Rng } from "@corenet/core";
import { type PixelBox, resample } from "./resample.ts";
import { checkImage, checkSides, type RgbImage } from "./rgb-image.ts";

export interface RandomCropOptions {
  /** Least and greatest area of the crop, of the area of the image. @default [0.08, 1] */
  scale?: readonly [number, number];
  /** Least and greatest `width / height` of the crop. @default [3 / 4, 4 / 3] */
  ratio?: readonly [number, number];
}

export interface RandomResizedCropOptions extends RandomCropOptions {
  /** Of the result, in pixels. */
  height: number;
  /** Of the result, in pixels. */
  width: number;
  rng: Rng;
}

const attempts = 10;

/**
 * A random part of an image, resized: the augmentation that vision transformers and ResNets are trained with. By
 * torchvision's rule: the area uniform in `scale`, the logarithm of the aspect ratio uniform in that of `ratio`; after ten
 * crops that do not fit, the largest in the middle whose ratio does.
 *
 * @throws ShapeError when the image has not the bytes that its size wants
 * @throws RangeError when an option cannot be
 * @see Szegedy et al. 2014, arXiv:1409.4842, sec. 6; torchvision.transforms.RandomResizedCrop
 */
export function randomResizedCrop(image: RgbImage, options: RandomResizedCropOptions): RgbImage {
  const { height, width, rng } = options;
  checkImage("randomResizedCrop", image);
  checkSides("randomResizedCrop", { height, width });
  const box = randomCropBox(image, rng, options);
  return resample(image, box, box, { height, width }); // pixels outside of the crop have no part in it
}

/** Where `randomResizedCrop` cuts an image of this size. */
export function randomCropBox(
  size: { height: number; width: number },
  rng: Rng,
  options: RandomCropOptions = {},
): PixelBox {
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = options;
  checkBounds("scale", scale);
  checkBounds("ratio", ratio);
  const area = size.height * size.width;
  for (let i = 0; i < attempts; i++) {
    const target = area * between(rng, scale[0], scale[1]);
    const aspect = Math.exp(between(rng, Math.log(ratio[0]), Math.log(ratio[1])));
    const width = Math.round(Math.sqrt(target * aspect));
    const height = Math.round(Math.sqrt(target / aspect));
    if (width < 1 || width > size.width || height < 1 || height > size.height) continue;
    const top = rng.integer(size.height - height + 1);
    const left = rng.integer(size.width - width + 1);
    return { top, left, height, width };
  }
  const aspect = Math.min(Math.max(size.width / size.height, ratio[0]), ratio[1]);
  const width = Math.max(1, Math.min(size.width, Math.round(size.height * aspect)));
  const height = Math.max(1, Math.min(size.height, Math.round(size.width / aspect)));
  const top = Math.floor((size.height - height) / 2);
  const left = Math.floor((size.width - width) / 2);
  return { top, left, height, width };
}

function between(rng: Rng, min: number, max: number): number {
  return min + rng.uniform() * (max - min); // min may equal max
}

function checkBounds(what: string, [min, max]: readonly [number, number]): void {
  if (min > 0 && min <= max && max < Infinity) return;
  throw new RangeError(
    `randomResizedCrop: ${what} is [${min}, ${max}], expected 0 < least <= greatest. Swap them?`,
  );
}
