import {
  add,
  reshape,
  split,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  transpose,
} from "@corenet/tensor";
import { attention } from "./attention.ts";
import { gelu } from "./gelu.ts";
import { type LayerNormParams, layerNorm } from "./layer-norm.ts";
import { type LinearParams, linear, type Weight } from "./linear.ts";

export interface EncoderBlockConfig {
  /** H; divides D. */
  readonly numHeads: number;
  readonly layerNormEps: number;
}

export type EncoderBlockParams<W extends Weight = Tensor2D> = {
  readonly attentionNorm: LayerNormParams;
  /** [3 D, D]: queries, then keys, then values, each head after head. */
  readonly qkv: LinearParams<W>;
  /** [D, D] */
  readonly attentionOut: LinearParams<W>;
  readonly feedForwardNorm: LayerNormParams;
  /** [F, D] */
  readonly up: LinearParams<W>;
  /** [D, F] */
  readonly down: LinearParams<W>;
};

/**
 * One pre-norm block of a transformer encoder, in which every token sees every other: `x ← x + Attn(LN(x))`,
 * `x ← x + W₂ gelu(W₁ LN(x))`.
 *
 * @param x - tokens [B, T, D]
 * @returns [B, T, D]
 * @throws ShapeError when a parameter does not fit the tokens
 * @see Dosovitskiy et al. 2021, arXiv:2010.11929, eq. 2 and 3
 */
export function encoderBlock(
  x: Tensor3D,
  params: EncoderBlockParams<Weight>,
  config: EncoderBlockConfig,
): Tensor3D {
  const options = { eps: config.layerNormEps };
  return tidy(() => {
    const h = add(x, selfAttention(layerNorm(x, params.attentionNorm, options), params, config)); // [B, T, D]
    const normed = layerNorm(h, params.feedForwardNorm, options);
    const hidden = gelu(linear(normed, params.up.weight, params.up)); // [B, T, F]
    return add(h, linear(hidden, params.down.weight, params.down));
  });
}

/** Multi-head attention of all tokens to all: [B, T, D] to [B, T, D]. */
function selfAttention(
  x: Tensor3D,
  { qkv, attentionOut }: EncoderBlockParams<Weight>,
  { numHeads: H }: EncoderBlockConfig,
): Tensor3D {
  const [B, T, D] = x.shape;
  const joint = reshape(linear(x, qkv.weight, qkv), [B, T, 3 * H, D / H]);
  const heads = transpose(joint, [0, 2, 1, 3]); // [B, 3 H, T, d]
  const [q, k, v] = split(heads, [H, H, H], { axis: 1 }) as [Tensor4D, Tensor4D, Tensor4D];
  const y = attention(q, k, v); // [B, H, T, d]
  const merged = reshape(transpose(y, [0, 2, 1, 3]), [B, T, D]);
  return linear(merged, attentionOut.weight, attentionOut);
}
