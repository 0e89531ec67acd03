import { checkDType, checkShape, type TensorTree, zipTrees } from "@corenet/tensor";
import { emaUpdate } from "./kernels/ema-update/op.ts";

/**
 * The next exponential moving average of parameters: decay · average + (1 − decay) · params, leaf by leaf.
 *
 * @param decay - in [0, 1]; 0.999 remembers about a thousand steps
 * @returns a new tree; the caller frees the old average
 * @throws RangeError when `decay` is outside [0, 1] or the trees differ in structure
 * @throws ShapeError when two leaves differ in shape
 */
export function ema<P extends TensorTree>(average: P, params: P, decay: number): P {
  if (!(decay >= 0 && decay <= 1)) {
    throw new RangeError(`ema: decay is ${decay}, expected a number in [0, 1], such as 0.999.`);
  }
  return zipTrees([average, params], ([before, w], path) => {
    if (!before || !w) throw new RangeError(`ema: ${path} is missing.`);
    checkDType(`ema: ${path || "average"}`, before, "float32");
    checkDType(`ema: ${path || "params"}`, w, "float32");
    checkShape(`ema: ${path || "params"}`, w, before.shape, "Average trees of one model.");
    const [next] = emaUpdate([before, w], { decay });
    return next;
  });
}
