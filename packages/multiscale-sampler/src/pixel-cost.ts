import type { Sides } from "./size.ts";

/** What one sample costs at a scale: floating-point operations of a forward pass, or anything in proportion. */
export type CostFunction<S> = (scale: S) => number;

/** Cost in proportion to the area: a network of convolutions, nearly, and what the batch budget counts. */
export function pixelCost({ height, width }: Sides): number {
  return height * width;
}
