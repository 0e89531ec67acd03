import type { PackedMatrix, Tensor, Tensor2D, Tensor3D } from "@corenet/tensor";

/** A matrix with parts that are trained: `linear` and `embedding` call these in place of `multiply` and `unpackRows`. */
export interface TrainableWeight extends PackedMatrix {
  /** x · Wᵀ, [..., in] to [..., out], through which gradients reach the parts. */
  product(x: Tensor): Tensor;
  /** Rows of W for tokens [B, T], [B, T, in], likewise. */
  lookUp(tokens: Tensor2D): Tensor3D;
}

export function isTrainableWeight(weight: object): weight is TrainableWeight {
  return "product" in weight && "lookUp" in weight;
}
