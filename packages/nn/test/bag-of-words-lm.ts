import {
  disposeTree,
  matMul,
  type ParamTree,
  reshape,
  slice,
  sum,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
} from "@corenet/tensor";
import type { CausalLm, ForwardOptions } from "../src/causal-lm.ts";
import { embedding } from "../src/embedding.ts";
import { KvCache } from "../src/kv-cache.ts";

/**
 * The smallest language model with a memory: its logits are the sum of one table row for every token seen, so what
 * follows can be worked out by hand.
 */
export class BagOfWordsLm implements CausalLm {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly kvShapes;
  readonly params: { readonly table: Tensor2D };
  /** How many tokens each call brought. */
  readonly calls: number[] = [];
  /** Called before each forward pass. */
  onForward: () => void = () => {};

  constructor(table: readonly (readonly number[])[], { contextLength = 32 } = {}) {
    this.params = { table: tensor(table) };
    this.vocabSize = table.length;
    this.contextLength = contextLength;
    this.kvShapes = [{ numKvHeads: 1, headDim: this.vocabSize }];
  }

  forward(tokens: Tensor2D, { cache, logits = "all" }: ForwardOptions = {}): Tensor3D {
    this.onForward();
    const [B, T] = tokens.shape;
    const V = this.vocabSize;
    this.calls.push(T);
    cache?.checkRoom(T);
    return tidy(() => {
      const rows = reshape(embedding(tokens, this.params.table), [B, 1, T, V]);
      cache?.append(0, { keys: rows, values: rows });
      const seen: Tensor4D = cache ? slice(cache.layer(0).keys, [0, 0, 0, 0], [B, 1, cache.length, V]) : rows;
      const S = seen.shape[2];
      if (logits === "last") return sum(seen, { axis: 2 }) as Tensor3D;
      const upTo = Array.from({ length: T }, (_, t) =>
        Array.from({ length: S }, (_, s) => (s <= S - T + t ? 1 : 0)),
      );
      return reshape(matMul(tensor(upTo), reshape(seen, [S, V])), [B, T, V]);
    });
  }

  createCache(options: { batch: number; capacity: number; rotated?: boolean }): KvCache {
    return new KvCache({ shapes: this.kvShapes, ...options });
  }

  withParams(_params: ParamTree): BagOfWordsLm {
    throw new TypeError("BagOfWordsLm: keeps its table.");
  }

  dispose(): void {
    disposeTree(this.params);
  }
}
