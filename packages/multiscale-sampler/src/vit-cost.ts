import { checkCount } from "./check.ts";
import type { CostFunction } from "./pixel-cost.ts";
import type { Sides } from "./size.ts";

export interface VitCostOptions {
  /** D */
  modelDim: number;
  numLayers: number;
  /** @default 16 */
  patchSize?: number;
  /** F @default 4 D */
  ffnDim?: number;
  /** One projection of the patches, or the three convolutions of CoreNet (4, 2 and 2 pixels wide, D / 4 channels). @default "patch" */
  stem?: "patch" | "conv";
  /** Classes of the head. @default 0 */
  numClasses?: number;
}

/**
 * FLOPs of one image in a vision transformer with a class token: linear layers grow with the number of patches,
 * attention with its square.
 *
 * @throws RangeError when a size is not whole
 */
export function vitCost(options: VitCostOptions): CostFunction<Sides> {
  const {
    modelDim,
    numLayers,
    patchSize = 16,
    ffnDim = 4 * modelDim,
    stem = "patch",
    numClasses = 0,
  } = options;
  for (const [name, value] of Object.entries({ modelDim, numLayers, patchSize, ffnDim })) {
    checkCount(`vitCost: ${name}`, value, 1, "ViT-B/16 has modelDim 768, numLayers 12, patchSize 16.");
  }
  checkCount("vitCost: numClasses", numClasses, 0, "Use 0 for none.");
  if (stem === "conv" && patchSize !== 16) {
    throw new RangeError(`vitCost: patchSize is ${patchSize}, expected 16 with stem "conv". Use "patch".`);
  }
  const channels = Math.max(32, Math.floor(modelDim / 4));
  const stemMacs = // of one patch
    stem === "patch"
      ? 3 * patchSize ** 2 * modelDim
      : 16 * (3 * 16 * channels) + 4 * (channels * 4 * channels) + channels * 4 * modelDim;

  return ({ height, width }) => {
    const patches = Math.ceil(height / patchSize) * Math.ceil(width / patchSize);
    const T = patches + 1;
    const layer = T * (4 * modelDim ** 2 + 2 * modelDim * ffnDim) + 2 * T * T * modelDim;
    return 2 * (patches * stemMacs + numLayers * layer + modelDim * numClasses);
  };
}
