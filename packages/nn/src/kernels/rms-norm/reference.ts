import {
  add,
  mean,
  mul,
  reshape,
  rsqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
} from "@corenet/tensor";
import type { RmsNormAttrs } from "./op.ts";

export function rmsNormReference([x, weight]: [Tensor, Tensor1D], { eps }: RmsNormAttrs): [Tensor, Tensor] {
  const inverse = rsqrt(add(mean(square(x), { axis: -1 }), eps)); // [...]
  const unit = mul(x, asColumn(inverse)); // [..., D]
  return [mul(unit, weight), inverse];
}

/** With u = x · inverse and g = dy · weight: dx = inverse · (g − u · mean(g · u)), dWeight = Σ dy · u. */
export function rmsNormGradReference([x, weight, inverse, dy]: [Tensor, Tensor1D, Tensor, Tensor]): [
  Tensor,
  Tensor1D,
] {
  const D = x.shape.at(-1) as number;
  const unit = mul(x, asColumn(inverse)); // [..., D]
  const scaled = mul(dy, weight); // [..., D]
  const along = mean(mul(scaled, unit), { axis: -1, keepDims: true }); // [..., 1]
  const dx = mul(sub(scaled, mul(unit, along)), asColumn(inverse)); // [..., D]
  const dWeight = sum(reshape(mul(dy, unit), [-1, D]), { axis: 0 }) as Tensor1D;
  return [dx, dWeight];
}

function asColumn(x: Tensor): Tensor {
  return reshape(x, [...x.shape, 1]);
}
