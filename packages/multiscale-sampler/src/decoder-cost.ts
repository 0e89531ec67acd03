import { checkCount } from "./check.ts";
import type { CostFunction } from "./pixel-cost.ts";

/** The shape of a decoder; the configuration of an OpenELM is one. */
export interface DecoderShape {
  /** D */
  readonly modelDim: number;
  /** d */
  readonly headDim: number;
  /** V */
  readonly vocabSize: number;
  /** One for each layer. */
  readonly layers: readonly {
    readonly numQueryHeads: number;
    readonly numKvHeads: number;
    /** F, of a gated feed-forward with three matrices */
    readonly ffnDim: number;
  }[];
}

/**
 * FLOPs of one sequence in a decoder with grouped-query attention, gated feed-forward and head. A causal position
 * attends to itself and what is before it, so `T` positions make `T (T + 1) / 2` scores in each head.
 *
 * @throws RangeError when a size is not whole
 */
export function decoderCost(shape: DecoderShape): CostFunction<{ readonly length: number }> {
  const { modelDim: D, headDim: d, vocabSize, layers } = shape;
  for (const [name, value] of Object.entries({ modelDim: D, headDim: d, vocabSize, layers: layers.length })) {
    checkCount(`decoderCost: ${name}`, value, 1, "Pass openElmConfig(…), or sizes of your own.");
  }
  const perToken = layers.reduce(
    (sum, { numQueryHeads: H, numKvHeads, ffnDim: F }) =>
      sum + D * d * (H + 2 * numKvHeads) + H * d * D + 3 * D * F,
    D * vocabSize,
  );
  const perScore = layers.reduce((sum, { numQueryHeads: H }) => sum + 2 * H * d, 0); // q·k, and weight times v
  return ({ length: T }) => 2 * (T * perToken + ((T * (T + 1)) / 2) * perScore);
}
