import type { Tensor } from "@corenet/tensor";
import type { LfsrMatrix } from "./lfsr-matrix.ts";

/**
 * The product with a packed matrix: `x · Wᵀ`, or `x · W` with `transpose`. Gradients reach x.
 *
 * The numbers are those of the decoded weights, in another order of the sums: float32 throughout.
 *
 * @param x - [..., in], or [..., out] with `transpose`
 * @returns [..., out], or [..., in]
 * @throws ShapeError when the last side of x does not fit
 */
export function lfsrMatMul(x: Tensor, w: LfsrMatrix, options: { transpose?: boolean } = {}): Tensor {
  return w.multiply(x, options);
}
