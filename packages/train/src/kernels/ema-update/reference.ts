import { add, mul, sub, type Tensor } from "@corenet/tensor";
import type { EmaUpdateAttrs } from "./op.ts";

/** As average + (1 − decay)(w − average): a decay near 1 then loses nothing to rounding, and equal inputs stay. */
export function emaUpdateReference([average, w]: [Tensor, Tensor], { decay }: EmaUpdateAttrs): [Tensor] {
  return [add(average, mul(sub(w, average), 1 - decay))];
}
