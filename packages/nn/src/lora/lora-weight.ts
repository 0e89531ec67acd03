import {
  add,
  gather,
  isTensor,
  mul,
  type PackedMatrix,
  range,
  reshape,
  rsqrt,
  square,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  tidy,
  transpose,
  withoutGradient,
} from "@corenet/tensor";
import { embedding } from "../embedding.ts";
import { linear, type Weight } from "../linear.ts";
import type { TrainableWeight } from "../trainable-weight.ts";
import { type EmbeddingAdapter, isEmbeddingAdapter, type LinearAdapter } from "./adapter.ts";

/**
 * A frozen weight with an adapter: `W + scale · B A`, or DoRA's `m ⊙ (W + scale · B A) / ‖rows‖`. Borrows both; the base
 * stays packed if it is. An embedding's adapter changes what is looked up, and not the head that is tied to it.
 *
 * @see Hu et al. 2021, arXiv:2106.09685, eq. 3; Liu et al. 2024, arXiv:2402.09353, eq. 5 and sec. 4.3
 */
export class LoraWeight implements TrainableWeight {
  readonly format = "lora";
  readonly shape: readonly [number, number];
  readonly byteLength: number;
  readonly base: Weight;
  readonly adapter: LinearAdapter | EmbeddingAdapter;
  readonly #scale: number;

  constructor(base: Weight, adapter: LinearAdapter | EmbeddingAdapter, scale: number) {
    this.base = base;
    this.adapter = adapter;
    this.shape = base.shape as readonly [number, number];
    this.byteLength = isTensor(base) ? base.size * 4 : base.byteLength;
    this.#scale = scale;
  }

  product(x: Tensor): Tensor {
    const { adapter, base } = this;
    if (isEmbeddingAdapter(adapter)) return linear(x, base); // the head reads the base table
    return tidy(() => {
      const low = linear(linear(x, adapter.loraA), adapter.loraB); // [..., r], then [..., out]
      const y = add(linear(x, base), mul(low, this.#scale));
      return adapter.magnitude ? mul(y, mul(adapter.magnitude, this.#inverseNorms(adapter))) : y;
    });
  }

  lookUp(tokens: Tensor2D): Tensor3D {
    const { adapter, base } = this;
    if (!isEmbeddingAdapter(adapter)) {
      return tidy(() => {
        const [B, T] = tokens.shape;
        const rows = mergedRows(this, adapter, this.#scale, reshape(tokens, [B * T]));
        return reshape(rows, [B, T, this.shape[1]]);
      });
    }
    return tidy(() => {
      const low = embedding(tokens, transpose(adapter.embeddingA)); // [B, T, r]
      return add(embedding(tokens, base), mul(linear(low, adapter.embeddingB), this.#scale)) as Tensor3D;
    });
  }

  multiply(x: Tensor, options: { transpose?: boolean } = {}): Tensor {
    if (!options.transpose) return this.product(x);
    return tidy(() => linear(x, transpose(mergedWeight(this)))); // gradients do not come this way
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    return tidy(() => {
      const rows = this.lookUp(reshape(ids, [1, ids.size]));
      return reshape(rows, [ids.size, this.shape[1]]);
    });
  }

  /** Nothing: base and adapter belong to others. */
  dispose(): void {}

  /** How much the update counts. */
  get scale(): number {
    return this.#scale;
  }

  /** 1 / ‖row of W + scale · B A‖ [out], a constant for gradients, as in the paper. */
  #inverseNorms(adapter: LinearAdapter): Tensor1D {
    return withoutGradient(() =>
      tidy(() => {
        const ids = range(0, this.shape[0]);
        const plain = { loraA: adapter.loraA, loraB: adapter.loraB };
        return rsqrt(sum(square(mergedRows(this, plain, this.#scale, ids)), { axis: 1 })) as Tensor1D;
      }),
    );
  }
}

/** The whole weight with its adapter as float32 [out, in]. */
export function mergedWeight(weight: LoraWeight): Tensor2D {
  return tidy(() => weight.unpackRows(range(0, weight.shape[0])));
}

/** Rows of `W + scale · B A`, with a magnitude scaled to it. */
function mergedRows(
  { base }: LoraWeight,
  { loraA, loraB, magnitude }: LinearAdapter,
  scale: number,
  ids: Tensor1D,
): Tensor2D {
  const rows = isTensor(base) ? (gather(base, ids) as Tensor2D) : (base as PackedMatrix).unpackRows(ids);
  const low = linear(gather(loraB, ids) as Tensor2D, transpose(loraA)); // [n, r] · A
  const sumOfBoth = add(rows, mul(low, scale)) as Tensor2D; // [n, in]
  if (!magnitude) return sumOfBoth;
  const unit = mul(sumOfBoth, rsqrt(sum(square(sumOfBoth), { axis: 1, keepDims: true })));
  return mul(unit, reshape(gather(magnitude, ids), [ids.size, 1])) as Tensor2D;
}
