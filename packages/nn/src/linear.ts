import {
  checkShape,
  customGradient,
  isTensor,
  matMul,
  type PackedMatrix,
  type Tensor,
  type Tensor2D,
} from "@corenet/tensor";

/** A weight matrix [out, in], as a tensor or in a packed format. */
export type Weight = Tensor2D | PackedMatrix;

/**
 * A linear map without bias: `x · Wᵀ`.
 *
 * @param x - [..., in], of rank 2 or more
 * @param weight - [out, in], as in checkpoints; gradients reach it only when it is a tensor
 * @returns [..., out]
 * @throws ShapeError when the last side of x is not `in`
 */
export function linear<T extends Tensor>(x: T, weight: Weight): T {
  const inputs = weight.shape[1];
  checkShape(
    "linear: x",
    x,
    [...x.shape.slice(0, -1), inputs],
    "Its last side must match the columns of the weight.",
  );
  if (isTensor(weight)) return matMul(x, weight, { transposeB: true });
  return customGradient(
    "linear",
    [x],
    () => weight.multiply(x) as T,
    () => (dy) => [weight.multiply(dy, { transpose: true })],
  );
}
