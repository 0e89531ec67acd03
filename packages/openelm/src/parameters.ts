// The parameter tree of an OpenELM. The paths of its leaves are the reference's own names.
import type { Rng } from "@corenet/core";
import { normal, unitGain, type Weight } from "@corenet/nn";
import { loadKernels, type Tensor1D, type Tensor2D } from "@corenet/tensor";
import type { OpenElmConfig } from "./config.ts";
import type { LayerShape } from "./scale-layers.ts";

export type Gain = { readonly weight: Tensor1D };
export type Matrix = { readonly weight: Weight };

export type OpenElmLayerParams = {
  readonly attn: {
    /** [(H + 2 Hkv) d, D]: queries, then keys, then values. */
    readonly qkv_proj: Matrix;
    readonly q_norm: Gain;
    readonly k_norm: Gain;
    /** [D, H d] */
    readonly out_proj: Matrix;
  };
  readonly ffn: {
    /** [2F, D]: gate, then up. */
    readonly proj_1: Matrix;
    /** [D, F] */
    readonly proj_2: Matrix;
  };
  readonly ffn_norm: Gain;
  readonly attn_norm: Gain;
};

export type OpenElmParams = {
  /** [V, D] */
  readonly token_embeddings: Matrix;
  readonly layers: readonly OpenElmLayerParams[];
  readonly norm: Gain;
  /** [V, D]; only where head and embedding are not tied. */
  readonly classifier?: Matrix;
};

/** A tree of the same structure as the parameters, whatever its leaves. */
interface Maker<L> {
  matrix(path: string, shape: readonly [number, number]): L;
  gain(path: string, shape: readonly [number]): L;
}

export type ParameterShape = { readonly path: string; readonly shape: readonly number[] };

/** Every parameter's path and shape, in the order of the reference's state dict. Allocates nothing. */
export function parameterShapes(config: OpenElmConfig): ParameterShape[] {
  const shapes: ParameterShape[] = [];
  const note = (path: string, shape: readonly number[]) => shapes.push({ path, shape });
  buildParameters(config, { matrix: note, gain: note });
  return shapes;
}

/** The number of weights. */
export function countParameters(config: OpenElmConfig): number {
  return parameterShapes(config).reduce((sum, { shape }) => sum + shape.reduce((n, side) => n * side, 1), 0);
}

/**
 * Fresh parameters: normal with mean 0 and deviation D^(−½), the two projections that end in the residual stream
 * D^(−½) (2L)^(−½), gains 1.
 *
 * @see apple/corenet, general_gpt.py, reset_parameters
 */
export async function createParameters(config: OpenElmConfig, rng: Rng): Promise<OpenElmParams> {
  await loadKernels();
  const std = config.modelDim ** -0.5;
  const residualStd = std * (2 * config.layers.length) ** -0.5;
  return buildParameters<Tensor1D | Tensor2D>(config, {
    matrix: (path, shape) =>
      normal<Tensor2D>(rng, shape, { std: /(out_proj|proj_2)\.weight$/.test(path) ? residualStd : std }),
    gain: (_path, shape) => unitGain<Tensor1D>(shape),
  }) as OpenElmParams;
}

/** The tree of the parameters, each leaf made from its path and shape, in the order of the reference's state dict. */
export function buildParameters<L>(config: OpenElmConfig, make: Maker<L>): object {
  const { vocabSize: V, modelDim: D } = config;
  const matrix = (path: string, rows: number, columns: number) => ({
    weight: make.matrix(`${path}.weight`, [rows, columns]),
  });
  const gain = (path: string, size: number) => ({ weight: make.gain(`${path}.weight`, [size]) });
  return {
    token_embeddings: matrix("token_embeddings", V, D),
    layers: config.layers.map((layer, i) => buildLayer(config, layer, `layers.${i}`, { matrix, gain })),
    norm: gain("norm", D),
    ...(config.tied ? {} : { classifier: matrix("classifier", V, D) }),
  };
}

function buildLayer<M, G>(
  { modelDim: D, headDim: d }: OpenElmConfig,
  { numQueryHeads: H, numKvHeads: Hkv, ffnDim: F }: LayerShape,
  path: string,
  make: { matrix(path: string, rows: number, columns: number): M; gain(path: string, size: number): G },
): object {
  return {
    attn: {
      qkv_proj: make.matrix(`${path}.attn.qkv_proj`, (H + 2 * Hkv) * d, D),
      q_norm: make.gain(`${path}.attn.q_norm`, d),
      k_norm: make.gain(`${path}.attn.k_norm`, d),
      out_proj: make.matrix(`${path}.attn.out_proj`, D, H * d),
    },
    ffn: {
      proj_1: make.matrix(`${path}.ffn.proj_1`, 2 * F, D),
      proj_2: make.matrix(`${path}.ffn.proj_2`, D, F),
    },
    ffn_norm: make.gain(`${path}.ffn_norm`, D),
    attn_norm: make.gain(`${path}.attn_norm`, D),
  };
}
