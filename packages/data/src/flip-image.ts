import { orientImage } from "./orient-image.ts";
import { checkImage, type RgbImage } from "./rgb-image.ts";

/** The mirror image, left and right exchanged; a new one. @throws ShapeError when the bytes do not fit the size */
export function flipImage(image: RgbImage): RgbImage {
  checkImage("flipImage", image);
  return orientImage(image, 2);
}
