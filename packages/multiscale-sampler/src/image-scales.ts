import { checkCount } from "./check.ts";
import { fitBatch } from "./fit-batch.ts";
import { type ImageSizesOptions, imageSizes } from "./image-sizes.ts";
import type { ImageScale } from "./scale.ts";
import { type Size, toSides } from "./size.ts";

export interface ImageScalesOptions extends ImageSizesOptions {
  /** Images in a batch at the base size, on each process. */
  baseBatch: number;
}

export interface VariableBatchOptions extends ImageScalesOptions {
  /**
   * Where `baseBatch` holds: at the base size, as in the reference's code, or at the maximum, as its papers write.
   * @default "base"
   */
  batchReference?: "base" | "max";
}

/**
 * SSc-FBS, single scale and fixed batch: the one size of ordinary training, and of every evaluation.
 *
 * @throws RangeError naming the option that cannot be
 */
export function fixedScale(options: { size: Size; batchSize: number }): ImageScale[] {
  const { size, batchSize } = options;
  checkCount("fixedScale: batchSize", batchSize, 1, "Pass how many images fit, such as 128.");
  return [{ ...toSides("fixedScale: size", size), batchSize }];
}

/**
 * MSc-FBS, multiple scales and a fixed batch: sizes vary, and the cost of a batch with them.
 *
 * @throws RangeError naming the option that cannot be
 */
export function fixedBatchScales(options: ImageScalesOptions): ImageScale[] {
  const { baseBatch } = options;
  checkCount("fixedBatchScales: baseBatch", baseBatch, 1, "Pass how many images fit, such as 128.");
  return imageSizes("fixedBatchScales", options).map((sides) => ({ ...sides, batchSize: baseBatch }));
}

/**
 * MSc-VBS, multiple scales and a variable batch: at every size as many images as cost what the batch at the base costs,
 * `b = max(1, floor(b₀ H₀ W₀ / (H W)))`. The base area is that of the option, also where the list has it rounded.
 *
 * @returns sorted by height, then width
 * @throws RangeError naming the option that cannot be
 * @see Nunez et al. 2023, arXiv:2309.04502; Mehta and Rastegari 2022, arXiv:2110.02178, sec. 3.2
 */
export function variableBatchScales(options: VariableBatchOptions): ImageScale[] {
  const { baseBatch, batchReference = "base", baseSize, maxSize = 320 } = options;
  checkCount("variableBatchScales: baseBatch", baseBatch, 1, "Pass how many images fit, such as 128.");
  const sizes = imageSizes("variableBatchScales", options);
  const reference = toSides("variableBatchScales: size", batchReference === "max" ? maxSize : baseSize);
  const budget = reference.height * reference.width * baseBatch; // pixels
  return sizes.map(({ height, width }) => ({ height, width, batchSize: fitBatch(budget, height * width) }));
}
