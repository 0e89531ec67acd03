import { checkDType, checkShape, type Tensor, type Tensor1D } from "@corenet/tensor";
import { rmsNormOp } from "./kernels/rms-norm/op.ts";

export interface RmsNormOptions {
  /** Added to the mean square, so that an all-zero row stays finite. @default 1e-6 */
  eps?: number;
}

/**
 * Root-mean-square normalization over the last axis: `x / rms(x) * weight`.
 *
 * @param x - hidden states [..., D]
 * @param weight - learned gain [D]
 * @returns normalized states [..., D]
 * @throws ShapeError when `weight` does not fit the last axis of `x`
 * @see Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4
 */
export function rmsNorm<T extends Tensor>(x: T, weight: Tensor1D, options: RmsNormOptions = {}): T {
  const { eps = 1e-6 } = options;
  checkDType("rmsNorm: x", x, "float32");
  checkShape("rmsNorm: weight", weight, x.shape.slice(-1), "It must match the last axis of x.");
  const [y, inverse] = rmsNormOp([x, weight], { eps });
  inverse.dispose();
  return y as T;
}
