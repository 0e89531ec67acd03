import { add, div, mul, sqrt, square, sub, type Tensor } from "@corenet/tensor";
import type { AdamwTensors, AdamwUpdateAttrs } from "./op.ts";

/** Rounded where the kernel and PyTorch round. */
export function adamwUpdateReference(
  [w, grad, m, v]: AdamwTensors,
  attrs: AdamwUpdateAttrs,
): [Tensor, Tensor, Tensor] {
  const { learningRate, beta1, beta2, eps, weightDecay, correction1, correction2, gradScale } = attrs;
  const g = mul(grad, gradScale);
  const mean = add(m, mul(sub(g, m), 1 - beta1));
  const meanSquare = add(mul(v, beta2), mul(square(g), 1 - beta2));
  const below = add(div(sqrt(meanSquare), Math.sqrt(correction2)), eps);
  const moved = mul(div(mean, below), learningRate / correction1);
  return [sub(mul(w, 1 - learningRate * weightDecay), moved), mean, meanSquare];
}
