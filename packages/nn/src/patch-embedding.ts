import {
  checkDType,
  reshape,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  transpose,
} from "@corenet/tensor";
import { convWeight } from "./conv.ts";
import { type LinearParams, linear, type Weight } from "./linear.ts";

export interface PatchEmbeddingOptions {
  /** Side P of the square patches in pixels. */
  patchSize: number;
}

/**
 * Cuts images into patches of P × P pixels and projects each: a convolution whose kernel is as wide as its stride, as
 * one matrix product.
 *
 * @param images - [B, height, width, C]; both sides multiples of P
 * @param params - weight [D, P P C], its columns in the order of the pixels (row, column, channel); see `patchWeight`
 * @returns one vector per patch, row after row [B, height / P · width / P, D]
 * @throws RangeError when a side of the images is no multiple of P; ShapeError when the weight does not fit
 * @see Dosovitskiy et al. 2021, arXiv:2010.11929, eq. 1
 */
export function patchEmbedding(
  images: Tensor4D,
  params: LinearParams<Weight>,
  { patchSize: P }: PatchEmbeddingOptions,
): Tensor3D {
  const [B, height, width, C] = images.shape;
  checkDType("patchEmbedding: images", images, "float32");
  const { rows, columns } = patchGrid("patchEmbedding", { height, width }, P);

  return tidy(() => {
    const cut = reshape(images, [B * rows, P, columns, P * C]); // a row of pixels of a patch lies together
    const turned = transpose(cut, [0, 2, 1, 3]); // [B rows, columns, P, P C]
    const patches = reshape(turned, [B, rows * columns, P * P * C]);
    return linear(patches, params.weight, { bias: params.bias }); // [B, N, D]
  });
}

/** The weight of `patchEmbedding` from that of a convolution in a checkpoint: [D, C, P, P] to [D, P P C]. */
export function patchWeight(kernel: Tensor4D): Tensor2D {
  const [D] = kernel.shape;
  return tidy(() => reshape(convWeight(kernel), [D, kernel.size / D]));
}

/** How many patches an image has in each direction. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
}

export interface ImageSize {
  /** Pixels. */
  readonly height: number;
  /** Pixels. */
  readonly width: number;
}

/** @throws RangeError when a side is no positive multiple of the patch */
export function patchGrid(who: string, { height, width }: ImageSize, patchSize: number): PatchGrid {
  const fits = (side: number) => Number.isInteger(side) && side > 0 && side % patchSize === 0;
  if (!(Number.isInteger(patchSize) && patchSize > 0)) {
    throw new RangeError(`${who}: patchSize is ${patchSize}, expected a positive integer.`);
  }
  if (fits(height) && fits(width)) return { rows: height / patchSize, columns: width / patchSize };
  const nearest = (side: number) => Math.max(1, Math.round(side / patchSize) || 1) * patchSize;
  throw new RangeError(
    `${who}: the images are ${height} x ${width} pixels, expected multiples of the patch of ${patchSize}. ` +
      `Resize them to ${nearest(height)} x ${nearest(width)}.`,
  );
}
