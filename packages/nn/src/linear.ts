import {
  add,
  checkShape,
  customGradient,
  isTensor,
  matMul,
  type PackedMatrix,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
} from "@corenet/tensor";
import { isTrainableWeight } from "./trainable-weight.ts";

/** A weight matrix [out, in], as a tensor or in a packed format. */
export type Weight = Tensor2D | PackedMatrix;

export interface LinearOptions {
  /** Added to every row [out]. @default none */
  bias?: Tensor1D;
}

/** A weight and a bias, as `linear(x, weight, { bias })` takes them. */
export type LinearParams<W extends Weight = Tensor2D> = {
  /** [out, in] */
  readonly weight: W;
  /** [out] */
  readonly bias: Tensor1D;
};

/**
 * A linear map: `x · Wᵀ`, or `x · Wᵀ + b`.
 *
 * @param x - [..., in], of rank 2 or more
 * @param weight - [out, in], as in checkpoints; gradients reach it only when it is a tensor or has trained parts
 * @returns [..., out]
 * @throws ShapeError when the last side of x is not `in`, or the bias not [out]
 */
export function linear<T extends Tensor>(x: T, weight: Weight, options: LinearOptions = {}): T {
  const { bias } = options;
  const [outputs, inputs] = weight.shape;
  checkShape(
    "linear: x",
    x,
    [...x.shape.slice(0, -1), inputs],
    "Its last side must match the columns of the weight.",
  );
  if (!bias) return product(x, weight);
  checkShape("linear: bias", bias, [outputs], "It must match the rows of the weight.");
  return tidy(() => add(product(x, weight), bias) as T);
}

function product<T extends Tensor>(x: T, weight: Weight): T {
  if (isTensor(weight)) return matMul(x, weight, { transposeB: true });
  if (isTrainableWeight(weight)) return weight.product(x) as T;
  return customGradient(
    "linear",
    [x],
    () => weight.multiply(x) as T,
    () => (dy) => [weight.multiply(dy, { transpose: true })],
  );
}
