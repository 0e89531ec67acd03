import type { ParamTree, Tensor2D, Tensor3D, Tensor4D } from "@corenet/tensor";
import type { DocumentStarts } from "./documents.ts";
import type { KvCache } from "./kv-cache.ts";

/** The size of one layer's keys and values; layers may differ. */
export interface KvShape {
  readonly numKvHeads: number;
  readonly headDim: number;
}

/** Keys and values of one layer, each [B, Hkv, T, d]. */
export interface KvPair {
  readonly keys: Tensor4D;
  readonly values: Tensor4D;
}

export interface ForwardOptions {
  /** The tokens come after those that the cache holds, see them, and are added to it. */
  cache?: KvCache;
  /** How many tokens of each row count: its last ones; what stands before is padding. Only on an empty cache. */
  lengths?: readonly number[];
  /** Where the documents of each row begin, if several share it: each is read as if alone. Without a cache. */
  documents?: DocumentStarts;
  /** The logits of every position, or of the last alone. @default "all" */
  logits?: "all" | "last";
}

export interface ReadRawKvOptions {
  /** The last layer to compute. */
  last: number;
  cache?: KvCache;
  /**
   * Gets each layer's pair as soon as it is there, and owns it. Called inside the model's `tidy`: `keep` what else it
   * makes and wants to have afterwards.
   */
  onLayer(layer: number, kv: KvPair): void;
}

/**
 * A language model that predicts the next token. What works with language models takes this, and knows none by name.
 * "Raw" keys are those before the key norm and the rotation; the four taps are optional.
 */
export interface CausalLm {
  readonly vocabSize: number;
  /** Positions that the model was made for. */
  readonly contextLength: number;
  /** One for each layer. */
  readonly kvShapes: readonly KvShape[];
  /** The model's own parameters: borrow them. */
  readonly params: ParamTree;
  /** The same model with other parameters, which it then owns. */
  withParams(params: ParamTree): CausalLm;
  /** Next-token logits: tokens [B, T] to [B, T, V], or [B, 1, V] with `logits: "last"`. */
  forward(tokens: Tensor2D, options?: ForwardOptions): Tensor3D;
  /** An empty cache for this model; with `rotated: false` one whose positions can be dropped, at more work a step. */
  createCache(options: { batch: number; capacity: number; rotated?: boolean }): KvCache;
  dispose(): void;

  /** Raw keys and values of layers 0 to `last`; no head. Uses and fills the cache, if given. */
  readRawKv?(tokens: Tensor2D, options: ReadRawKvOptions): void;
  /** Norms and rotates raw entries as the model's own, at the positions that follow, into one layer of the cache. */
  writeRawKv?(cache: KvCache, layer: number, kv: KvPair): void;
  /**
   * Logits where every layer attends to the given raw entries in place of its own.
   *
   * @param options - with `until` [B], the model's own from position until[b] on
   */
  forwardGivenKv?(tokens: Tensor2D, kv: readonly KvPair[], options?: { until?: readonly number[] }): Tensor3D;
  /** The model's own key norm, without rotation. */
  normKeys?(layer: number, keys: Tensor4D): Tensor4D;
}
