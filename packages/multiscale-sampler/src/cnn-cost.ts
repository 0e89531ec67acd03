import type { CostFunction } from "./pixel-cost.ts";
import type { Sides } from "./size.ts";

export interface CnnCostOptions {
  /** Multiply-adds of a forward pass at `size`, in all. */
  macs: number;
  /** Pixels of a side. @default 224 */
  size?: number;
  /** Of these, those that do not depend on the size: the classifier, or the heads of a detector. @default 0 */
  fixedMacs?: number;
}

/**
 * FLOPs of one image in a network of convolutions, from one measurement: `2 (fixed + (macs - fixed) H W / size²)`.
 * A ResNet-50 has `{ macs: 4.0892e9, fixedMacs: 2_048_000 }`.
 *
 * @throws RangeError when a number cannot be
 */
export function cnnCost(options: CnnCostOptions): CostFunction<Sides> {
  const { macs, size = 224, fixedMacs = 0 } = options;
  if (!(macs > 0 && macs < Infinity && size > 0 && fixedMacs >= 0 && fixedMacs <= macs)) {
    throw new RangeError(
      `cnnCost: macs is ${macs}, fixedMacs ${fixedMacs} and size ${size}, expected 0 <= fixedMacs <= macs, above 0. ` +
        "Pass what a profiler counts at that size.",
    );
  }
  return ({ height, width }) => 2 * (fixedMacs + ((macs - fixedMacs) * height * width) / size ** 2);
}
