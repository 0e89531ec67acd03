import { add, concat, mul, reshape, split, sub, type Tensor, type Tensor4D } from "@corenet/tensor";
import type { RopeAttrs, RopeInputs } from "./op.ts";

export function ropeReference([x, cos, sin]: RopeInputs, { sign }: RopeAttrs): [Tensor4D] {
  const [B, , T, d] = x.shape;
  const half = d / 2;
  const ofHeads = (table: Tensor) => reshape(table, [table.rank === 3 ? B : 1, 1, T, half]);
  const [c, s] = [ofHeads(cos), mul(ofHeads(sin), sign)];
  const [first, second] = split(x, [half, half], { axis: 3 }) as [Tensor4D, Tensor4D]; // [B, H, T, d/2] each
  const left = sub(mul(first, c), mul(second, s));
  const right = add(mul(second, c), mul(first, s));
  return [concat([left, right], { axis: 3 }) as Tensor4D];
}
