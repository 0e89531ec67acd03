import type { Rng } from "@corenet/core";
import {
  add,
  broadcastTo,
  checkShape,
  concat,
  loadKernels,
  mean,
  reshape,
  slice,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  zeros,
} from "@corenet/tensor";
import { type EncoderBlockParams, encoderBlock } from "./encoder-block.ts";
import { normal, unitGain } from "./initializers.ts";
import { type LayerNormParams, layerNorm } from "./layer-norm.ts";
import { type LinearParams, linear, type Weight } from "./linear.ts";
import { type PatchGrid, patchEmbedding, patchGrid } from "./patch-embedding.ts";
import { positionEmbedding } from "./position-embedding.ts";
import type { VitConfig } from "./vit-config.ts";

/** What lies between the embedded patches and the classifier. */
export type VitEncoderParams<W extends Weight = Tensor2D> = {
  /** [D]; only with the pooling "classToken". */
  readonly classToken?: Tensor1D;
  /** [positions.rows · positions.columns, D]; the class token has none. */
  readonly positions: Tensor2D;
  readonly layers: readonly EncoderBlockParams<W>[];
  readonly norm: LayerNormParams;
};

export type VitParams<W extends Weight = Tensor2D> = VitEncoderParams<W> & {
  /** [D, P P C] */
  readonly patches: LinearParams<W>;
  /** [classes, D] */
  readonly head: LinearParams<W>;
};

/**
 * A vision transformer's class scores. Images of another size than the configured one get resized positions.
 *
 * @param images - float32 [B, height, width, C]; both sides multiples of the patch
 * @returns logits [B, classes]
 * @throws RangeError when a side is no multiple of the patch; ShapeError when the channels or a parameter do not fit
 * @see Dosovitskiy et al. 2021, arXiv:2010.11929, eq. 1 to 4
 */
export function vit(images: Tensor4D, params: VitParams<Weight>, config: VitConfig): Tensor2D {
  const { patchSize, channels } = config;
  const [B, height, width] = images.shape;
  const grid = patchGrid("vit", { height, width }, patchSize);
  checkShape("vit: images", images, [B, height, width, channels], "The last side holds the channels.");
  return tidy(() => {
    const patches = patchEmbedding(images, params.patches, { patchSize }); // [B, N, D]
    const tokens = vitEncoder(patches, params, config, grid);
    const pooled = poolTokens(tokens, config); // [B, D]
    return linear(pooled, params.head.weight, params.head);
  });
}

/**
 * The transformer of a ViT behind any embedding of patches: positions, class token, blocks, and the last norm.
 *
 * @param patches - [B, N, D], row after row of `grid`
 * @param grid - how the N patches lie
 * @returns tokens [B, N, D], or [B, 1 + N, D] with the class token first
 * @throws ShapeError when patches and grid, or the parameters, do not fit
 */
export function vitEncoder(
  patches: Tensor3D,
  params: VitEncoderParams<Weight>,
  config: VitConfig,
  grid: PatchGrid,
): Tensor3D {
  const { positions: from, interpolation, layerNormEps: eps } = config;
  const N = grid.rows * grid.columns;
  checkShape("vitEncoder: patches", patches, [patches.shape[0], N, config.modelDim], "They fill the grid.");
  return tidy(() => {
    const positions = positionEmbedding(params.positions, { from, to: grid, interpolation }); // [N, D]
    let x = prependClassToken(add(patches, positions) as Tensor3D, params, config); // [B, T, D]
    for (const layer of params.layers) x = encoderBlock(x, layer, config);
    return layerNorm(x, params.norm, { eps });
  });
}

/** One vector per image: [B, T, D] to [B, D], the class token or the mean of the patches, as `config.pooling` says. */
export function poolTokens(tokens: Tensor3D, { pooling }: Pick<VitConfig, "pooling">): Tensor2D {
  const [B, , D] = tokens.shape;
  if (pooling === "mean") return mean(tokens, { axis: 1 }) as Tensor2D;
  return tidy(() => reshape(slice(tokens, [0, 0, 0], [B, 1, D]), [B, D]));
}

function prependClassToken(
  x: Tensor3D,
  { classToken }: VitEncoderParams<Weight>,
  { pooling, modelDim: D }: VitConfig,
): Tensor3D {
  if (pooling === "mean") return x;
  if (!classToken) {
    throw new RangeError(
      `vitEncoder: the parameters have no classToken. Add one [${D}], or use pooling "mean".`,
    );
  }
  const [B] = x.shape;
  const first = broadcastTo(reshape(classToken, [1, 1, D]), [B, 1, D]) as Tensor3D;
  return concat([first, x], { axis: 1 });
}

/**
 * A vision transformer to train: matrices and the class token normal with a deviation of 0.02, the patches' matrix with
 * 1/√(P P C), positions with 1/√D, biases 0, gains 1. Also loads the kernels of the active backend.
 *
 * @returns new parameters, the caller's
 */
export async function createVit(config: VitConfig, rng: Rng): Promise<VitParams> {
  await loadKernels();
  const { modelDim: D, ffnDim: F, channels, patchSize, numClasses, positions } = config;
  const pixels = patchSize ** 2 * channels;
  const norm = (): LayerNormParams => ({ weight: unitGain<Tensor1D>([D]), bias: zeros<Tensor1D>([D]) });
  const matrix = (name: string, out: number, inputs: number, std = 0.02): LinearParams => ({
    weight: normal<Tensor2D>(rng.split(name), [out, inputs], { std }),
    bias: zeros<Tensor1D>([out]),
  });
  const layers = Array.from({ length: config.numLayers }, (_, i) => ({
    attentionNorm: norm(),
    qkv: matrix(`layers.${i}.qkv`, 3 * D, D),
    attentionOut: matrix(`layers.${i}.attentionOut`, D, D),
    feedForwardNorm: norm(),
    up: matrix(`layers.${i}.up`, F, D),
    down: matrix(`layers.${i}.down`, D, F),
  }));
  return {
    patches: matrix("patches", D, pixels, pixels ** -0.5),
    ...(config.pooling === "classToken" && {
      classToken: normal<Tensor1D>(rng.split("classToken"), [D], { std: 0.02 }),
    }),
    positions: normal<Tensor2D>(rng.split("positions"), [positions.rows * positions.columns, D], {
      std: D ** -0.5,
    }),
    layers,
    norm: norm(),
    head: matrix("head", numClasses, D),
  };
}
