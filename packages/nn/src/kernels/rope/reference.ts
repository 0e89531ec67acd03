import { add, concat, mul, split, sub, type Tensor4D } from "@corenet/tensor";
import type { RopeAttrs, RopeInputs } from "./op.ts";

export function ropeReference([x, cos, sin]: RopeInputs, { sign }: RopeAttrs): [Tensor4D] {
  const half = x.shape[3] / 2;
  const [first, second] = split(x, [half, half], { axis: 3 }) as [Tensor4D, Tensor4D]; // [B, H, T, d/2] each
  const turned = mul(sin, sign);
  const left = sub(mul(first, cos), mul(second, turned));
  const right = add(mul(second, cos), mul(first, turned));
  return [concat([left, right], { axis: 3 }) as Tensor4D];
}
