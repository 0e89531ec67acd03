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
import type {
  LayerNormAttrs,
  LayerNormGradInputs,
  LayerNormGradOutputs,
  LayerNormInputs,
  LayerNormOutputs,
} from "./op.ts";

export function layerNormReference(
  [x, weight, bias]: LayerNormInputs,
  { eps }: LayerNormAttrs,
): LayerNormOutputs {
  const center = mean(x, { axis: -1 }); // [...]
  const away = sub(x, asColumn(center)); // [..., D]
  const inverse = rsqrt(add(mean(square(away), { axis: -1 }), eps)); // [...]
  const unit = mul(away, asColumn(inverse)); // [..., D]
  return [add(mul(unit, weight), bias), center, inverse];
}

/**
 * With u = (x − mean) · inverse and g = dy · weight: dx = inverse · (g − mean(g) − u · mean(g · u)),
 * dWeight = Σ dy · u, dBias = Σ dy.
 */
export function layerNormGradReference([
  x,
  weight,
  center,
  inverse,
  dy,
]: LayerNormGradInputs): LayerNormGradOutputs {
  const [D] = weight.shape;
  const unit = mul(sub(x, asColumn(center)), asColumn(inverse)); // [..., D]
  const scaled = mul(dy, weight); // [..., D]
  const plain = mean(scaled, { axis: -1, keepDims: true }); // [..., 1]
  const along = mean(mul(scaled, unit), { axis: -1, keepDims: true }); // [..., 1]
  const dx = mul(sub(sub(scaled, plain), mul(unit, along)), asColumn(inverse)); // [..., D]
  const overRows = (t: Tensor) => sum(reshape(t, [inverse.size, D]), { axis: 0 }) as Tensor1D;
  return [dx, overRows(mul(dy, unit)), overRows(dy)];
}

function asColumn(x: Tensor): Tensor {
  return reshape(x, [...x.shape, 1]);
}
