// What a forward pass costs, from shapes alone. Norms, rotations and softmax are not counted.
import type { OpenElmConfig } from "./config.ts";

export interface ForwardCost {
  /** New tokens T. */
  newTokens: number;
  /** Tokens that the cache holds already. @default 0 */
  pastTokens?: number;
  /** Whether the head is computed for every position or for the last. @default "all" */
  logits?: "all" | "last";
}

/**
 * Multiply-adds of a forward pass over one text; FLOPs are twice as many, training some three times a forward pass.
 * The masked half of causal attention is counted, as kernels commonly compute it.
 *
 * Layer i with T new tokens and S = past + T keys: `T [D (H + 2 Hkv) d + H d D + 3 D F] + 2 T S H d`.
 */
export function countMultiplyAdds(
  config: OpenElmConfig,
  { newTokens: T, pastTokens = 0, logits = "all" }: ForwardCost,
): number {
  const { modelDim: D, headDim: d, vocabSize: V } = config;
  const S = pastTokens + T;
  const layers = config.layers.map(({ numQueryHeads: H, numKvHeads: Hkv, ffnDim: F }) => {
    const matrices = D * (H + 2 * Hkv) * d + H * d * D + 3 * D * F;
    const attention = 2 * S * H * d;
    return T * (matrices + attention);
  });
  const head = (logits === "all" ? T : 1) * D * V;
  return layers.reduce((sum, layer) => sum + layer, head);
}

/** Floats that the cache of one text takes for each token: `2 d Σ Hkv`. */
export function cacheFloatsPerToken({ headDim, layers }: OpenElmConfig): number {
  return layers.reduce((sum, { numKvHeads }) => sum + 2 * headDim * numKvHeads, 0);
}
