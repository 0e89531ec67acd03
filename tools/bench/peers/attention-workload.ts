// The work that all contenders of attention.bench.ts do.

export interface AttentionWork {
  readonly heads: number;
  /** Queries and keys. */
  readonly length: number;
  readonly headDim: number;
  readonly causal: boolean;
  /** Whether the gradients of q, k and v are computed, too. */
  readonly backward: boolean;
}

/** Multiply-adds, twice: two products forward and five backward, of which causality leaves half. */
export function attentionFlops({ heads, length, headDim, causal, backward }: AttentionWork): number {
  const pairs = heads * length * (causal ? (length + 1) / 2 : length);
  return 2 * pairs * headDim * (backward ? 7 : 2);
}

/** Numbers around 0, the same everywhere. */
export function attentionValues(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * (12.9898 + seed)));
}
