import { type ImageSize, type PatchGrid, patchGrid } from "./patch-embedding.ts";
import type { PositionInterpolation } from "./position-embedding.ts";

export interface VitOptions {
  /** Side in pixels, or both, of the images that the positions are learned for; others work as well. */
  imageSize: number | ImageSize;
  /** Side P of a patch in pixels. */
  patchSize: number;
  /** D */
  modelDim: number;
  /** H; divides D. */
  numHeads: number;
  numLayers: number;
  numClasses: number;
  /** F @default 4 D */
  ffnDim?: number;
  /** C @default 3 */
  channels?: number;
  /** What the classifier reads: a learned token in front of the patches, or the mean of the patches. @default "classToken" */
  pooling?: "classToken" | "mean";
  /** How positions become those of another image size. @default "bilinear" */
  interpolation?: PositionInterpolation;
  /** @default 1e-6 */
  layerNormEps?: number;
}

/** A vision transformer, every choice made: see `vitConfig`. */
export interface VitConfig {
  readonly patchSize: number;
  readonly channels: number;
  readonly modelDim: number;
  readonly numHeads: number;
  readonly numLayers: number;
  readonly ffnDim: number;
  readonly numClasses: number;
  readonly pooling: "classToken" | "mean";
  /** The grid that the positions are learned for. */
  readonly positions: PatchGrid;
  readonly interpolation: PositionInterpolation;
  readonly layerNormEps: number;
}

/**
 * Fills in the defaults: those of ViT, with positions that follow the image.
 *
 * @throws RangeError naming the option that cannot be
 * @see Dosovitskiy et al. 2021, arXiv:2010.11929, table 1
 */
export function vitConfig(options: VitOptions): VitConfig {
  const { imageSize, patchSize, modelDim, numHeads, numLayers, numClasses } = options;
  const { ffnDim = 4 * modelDim, channels = 3, pooling = "classToken" } = options;
  const { interpolation = "bilinear", layerNormEps = 1e-6 } = options;
  const counts = { patchSize, modelDim, numHeads, numLayers, numClasses, ffnDim, channels };
  for (const [name, value] of Object.entries(counts)) {
    if (Number.isInteger(value) && value > 0) continue;
    throw new RangeError(`vitConfig: ${name} is ${value}, expected a positive integer.`);
  }
  if (modelDim % numHeads !== 0) {
    throw new RangeError(
      `vitConfig: modelDim ${modelDim} is no multiple of the ${numHeads} heads. ` +
        `Use ${Math.max(1, Math.round(modelDim / numHeads)) * numHeads}, or change numHeads.`,
    );
  }
  if (pooling !== "classToken" && pooling !== "mean") {
    throw new RangeError(`vitConfig: pooling is "${pooling}", expected "classToken" or "mean".`);
  }
  if (!(layerNormEps >= 0)) {
    throw new RangeError(`vitConfig: layerNormEps is ${layerNormEps}, expected a number of at least 0.`);
  }
  const size = typeof imageSize === "number" ? { height: imageSize, width: imageSize } : imageSize;
  return {
    ...counts,
    pooling,
    positions: patchGrid("vitConfig", size, patchSize),
    interpolation,
    layerNormEps,
  };
}

/**
 * Multiply-adds of a forward pass over one image; FLOPs are twice as many, training some three times a forward pass.
 * Norms, activations and softmax are not counted.
 *
 * With N patches and T tokens (N, and one for the class): `N P² C D + L [T (4 D² + 2 D F) + 2 T² D] + D · classes`.
 *
 * @throws RangeError when a side of the image is no multiple of the patch
 */
export function countVitMultiplyAdds(config: VitConfig, size: ImageSize): number {
  const { patchSize: P, channels: C, modelDim: D, ffnDim: F, numLayers, numClasses, pooling } = config;
  const { rows, columns } = patchGrid("countVitMultiplyAdds", size, P);
  const N = rows * columns;
  const T = N + (pooling === "classToken" ? 1 : 0);
  const layer = T * (4 * D ** 2 + 2 * D * F) + 2 * T ** 2 * D;
  return N * P ** 2 * C * D + numLayers * layer + D * numClasses;
}
