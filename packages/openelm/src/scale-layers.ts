// Layer-wise scaling: heads and feed-forward width grow from the first layer to the last, at a fixed budget.

import { makeDivisible } from "@corenet/core";

export interface LayerScaling {
  numLayers: number;
  /** D */
  modelDim: number;
  /** d */
  headDim: number;
  /** Query heads that share one key-value head. */
  groupSize: number;
  /** α: query width over D, from the first layer to the last; one number for all layers; or one for each. */
  qkvMultipliers: number | readonly number[];
  /** β: feed-forward width over D, in the same forms. */
  ffnMultipliers: number | readonly number[];
  /** Feed-forward widths are multiples of it. */
  ffnDivisor: number;
}

/** The widths of one layer. */
export interface LayerShape {
  readonly numQueryHeads: number;
  readonly numKvHeads: number;
  readonly ffnDim: number;
}

/**
 * The widths of every layer: `H_i = makeDivisible(α_i D, d g) / d`, `F_i = makeDivisible(β_i D, divisor)`, where α and
 * β go linearly from their first value to their last, rounded to two decimals.
 *
 * @throws RangeError when a multiplier is not positive, or a list of them is neither a pair nor one for each layer
 * @see Mehta et al. 2024, arXiv:2404.14619, sec. 2.1, eq. 1; rounding as in apple/corenet
 */
export function scaleLayers(scaling: LayerScaling): LayerShape[] {
  const { modelDim, headDim, groupSize, ffnDivisor } = scaling;
  const alpha = spreadMultipliers("qkvMultipliers", scaling.qkvMultipliers, scaling.numLayers);
  const beta = spreadMultipliers("ffnMultipliers", scaling.ffnMultipliers, scaling.numLayers);
  return alpha.map((qkvMultiplier, i) => {
    const numQueryHeads = makeDivisible(modelDim * qkvMultiplier, headDim * groupSize) / headDim;
    const ffnDim = makeDivisible(modelDim * (beta[i] as number), ffnDivisor);
    return { numQueryHeads, numKvHeads: Math.floor(numQueryHeads / groupSize), ffnDim };
  });
}

/** One multiplier for each layer; a pair is spread linearly and rounded to two decimals. */
export function spreadMultipliers(
  name: string,
  multipliers: number | readonly number[],
  numLayers: number,
): number[] {
  const wrong = [multipliers].flat().find((one) => !(one > 0 && Number.isFinite(one)));
  if (wrong !== undefined) {
    throw new RangeError(`scaleLayers: ${name} holds ${wrong}, expected positive numbers.`);
  }
  if (typeof multipliers === "number") return Array<number>(numLayers).fill(multipliers);
  if (multipliers.length === 2) {
    const [first, last] = multipliers as [number, number];
    return linspace(first, last, numLayers).map(roundToHundredths);
  }
  if (multipliers.length === numLayers) return [...multipliers];
  throw new RangeError(
    `scaleLayers: ${name} has ${multipliers.length} values, expected a number, a pair, or one for each of ${numLayers} layers.`,
  );
}

function linspace(first: number, last: number, count: number): number[] {
  const step = (last - first) / (count - 1);
  return Array.from({ length: count }, (_, i) =>
    i > 0 && i === count - 1 ? last : first + (i > 0 ? i * step : 0),
  );
}

/** NumPy's rule: times 100, half to even, over 100. */
function roundToHundredths(x: number): number {
  const scaled = x * 100;
  const floor = Math.floor(scaled);
  const distance = scaled - floor;
  const up = distance > 0.5 || (distance === 0.5 && floor % 2 !== 0);
  return (up ? floor + 1 : floor) / 100;
}
