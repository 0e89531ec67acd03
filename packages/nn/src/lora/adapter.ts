import type { Tensor1D, Tensor2D } from "@corenet/tensor";

/** What LoRA adds to a linear weight W [out, in]: scale · B A. */
export type LinearAdapter = {
  /** [r, in] */
  readonly loraA: Tensor2D;
  /** [out, r] */
  readonly loraB: Tensor2D;
  /** DoRA: the length of each row of the adapted weight [out]. */
  readonly magnitude?: Tensor1D;
};

/** What LoRA adds to an embedding [V, D]: scale · Aᵀ Bᵀ. */
export type EmbeddingAdapter = {
  /** [r, V] */
  readonly embeddingA: Tensor2D;
  /** [D, r] */
  readonly embeddingB: Tensor2D;
};

/** Adapters by the path of the weight that they adapt, such as `layers.0.attn.qkv_proj.weight`. A tree to train. */
export type LoraParams = { readonly [path: string]: LinearAdapter | EmbeddingAdapter };

export interface LoraScaling {
  /** r: rows of A. */
  readonly rank: number;
  /** α: the update counts α / r, or α / √r with `rankStabilized`. */
  readonly alpha: number;
  /** rsLoRA. @default false */
  readonly rankStabilized?: boolean;
}

/**
 * How much the update counts: α / r, or α / √r.
 *
 * @see Hu et al. 2021, arXiv:2106.09685, sec. 4.1; Kalajdzievski 2023, arXiv:2312.03732
 */
export function loraScale({ rank, alpha, rankStabilized = false }: LoraScaling): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank);
}

export function isEmbeddingAdapter(adapter: LinearAdapter | EmbeddingAdapter): adapter is EmbeddingAdapter {
  return "embeddingA" in adapter;
}
