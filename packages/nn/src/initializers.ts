import type { Rng } from "@corenet/core";
import { ones, type Tensor, tensor } from "@corenet/tensor";

/** Normally distributed weights of mean 0. The numbers are made here, so one seed gives one model everywhere. */
export function normal<T extends Tensor>(rng: Rng, shape: T["shape"], options: { std: number }): T {
  const values = new Float32Array(shape.reduce((product, side) => product * side, 1));
  rng.fillNormal(values, { mean: 0, std: options.std });
  return tensor(values, shape) as T;
}

/** Weights spread evenly over [-bound, bound). The numbers are made here, so one seed gives one model everywhere. */
export function uniform<T extends Tensor>(rng: Rng, shape: T["shape"], { bound }: { bound: number }): T {
  const size = shape.reduce((product, side) => product * side, 1);
  const values = Float32Array.from({ length: size }, () => (2 * rng.uniform() - 1) * bound);
  return tensor(values, shape) as T;
}

/** Gains of 1. */
export function unitGain<T extends Tensor>(shape: T["shape"]): T {
  return ones<T>(shape);
}
