import { checkDType, type Tensor } from "@corenet/tensor";
import { geluOp } from "./kernels/gelu/op.ts";

/**
 * The Gaussian error linear unit, exact: `x · Φ(x) = ½ x (1 + erf(x / √2))`. Φ is right to 2e-7.
 *
 * @param x - float32, of any shape
 * @throws TypeError when x is not float32
 * @see Hendrycks and Gimpel 2016, arXiv:1606.08415, sec. 2
 */
export function gelu<T extends Tensor>(x: T): T {
  checkDType("gelu: x", x, "float32");
  const [y] = geluOp([x], {});
  return y as T;
}
