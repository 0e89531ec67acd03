import { checkDType, checkShape, type Tensor, type Tensor1D } from "@corenet/tensor";
import { layerNormOp } from "./kernels/layer-norm/op.ts";

export type LayerNormParams = {
  /** Gain [D]. */
  readonly weight: Tensor1D;
  /** Offset [D]. */
  readonly bias: Tensor1D;
};

export interface LayerNormOptions {
  /** Added to the variance, so that a constant row stays finite. @default 1e-6, as in vision transformers */
  eps?: number;
}

/**
 * Normalization of mean and variance over the last axis: `(x − mean) / √(variance + eps) · weight + bias`, the variance
 * being that of the D numbers, divided by D.
 *
 * @param x - hidden states [..., D]
 * @returns normalized states [..., D]
 * @throws ShapeError when `weight` or `bias` does not fit the last axis of `x`
 * @see Ba, Kiros and Hinton 2016, arXiv:1607.06450, eq. 4
 */
export function layerNorm<T extends Tensor>(
  x: T,
  params: LayerNormParams,
  options: LayerNormOptions = {},
): T {
  const { eps = 1e-6 } = options;
  const { weight, bias } = params;
  checkDType("layerNorm: x", x, "float32");
  checkShape("layerNorm: weight", weight, x.shape.slice(-1), "It must match the last axis of x.");
  checkShape("layerNorm: bias", bias, x.shape.slice(-1), "It must match the last axis of x.");
  const [y, mean, inverse] = layerNormOp([x, weight, bias], { eps });
  mean.dispose();
  inverse.dispose();
  return y as T;
}
