// The forward pass of OpenELM: Mehta et al. 2024, arXiv:2404.14619, sec. 2; apple/corenet, general_gpt.py.
import {
  attention,
  type DocumentStarts,
  embedding,
  type ForwardOptions,
  gatedFeedForward,
  type KvCache,
  type KvPair,
  linear,
  type RopeTables,
  rmsNorm,
  rope,
  ropeTables,
  tokenHeads,
} from "@corenet/nn";
import {
  add,
  checkDType,
  checkpoint,
  checkShape,
  type ParamTree,
  reshape,
  slice,
  split,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  transpose,
} from "@corenet/tensor";
import type { OpenElmConfig } from "./config.ts";
import type { OpenElmLayerParams, OpenElmParams } from "./parameters.ts";

export interface OpenElmForwardOptions extends ForwardOptions {
  /**
   * For training in less memory: the way back keeps one activation a layer and computes the rest again, for a third more
   * arithmetic. Same values, same gradients. Not with a cache. @default false
   */
  checkpointLayers?: boolean;
}

/**
 * Next-token logits. Each layer, pre-norm: `x ← x + Attn(RMSNorm(x))`, `x ← x + FFN(RMSNorm(x))`; after the last a
 * norm, and the head, which is the embedding unless untied.
 *
 * @param tokens - int32 [B, T], each in [0, V)
 * @returns [B, T, V], or [B, 1, V] with `logits: "last"`
 * @throws RangeError naming a token outside the vocabulary, when a cache is full, or for documents with a cache or padding,
 *   or for checkpointed layers with a cache
 */
export function forward(
  tokens: Tensor2D,
  params: OpenElmParams,
  config: OpenElmConfig,
  options: OpenElmForwardOptions = {},
): Tensor3D {
  const { cache, lengths, documents, logits = "all", checkpointLayers = false } = options;
  const [B, T] = checkTokens(tokens);
  if (documents && (cache || lengths)) {
    throw new RangeError(
      `OpenElm: got documents and ${cache ? "a cache" : "lengths"}, expected documents alone. ` +
        "Pack rows from their beginning, and read them at once.",
    );
  }
  if (checkpointLayers && cache) {
    throw new RangeError(
      "OpenElm: got checkpointLayers and a cache, expected one of them: a layer that is computed twice would be written twice. " +
        "Train without a cache.",
    );
  }
  const past = cache ? checkCache(cache, config, B, T) : 0;
  const validFrom = padding(lengths, cache, B, T);

  return tidy(() => {
    const places = positionsOf(config, { past, length: T, cache, documents });
    let x: Tensor3D = embedding(tokens, params.token_embeddings.weight); // [B, T, D]
    if (lengths && validFrom) cache?.padRows(validFrom); // not before the tokens are known to be good
    params.layers.forEach((layer, i) => {
      const context = { index: i, places, cache, validFrom, documents };
      x = checkpointLayers ? again(x, layer, config, context) : decoderLayer(x, layer, config, context);
    });
    const wanted = logits === "last" ? slice(x, [0, T - 1, 0], [B, 1, config.modelDim]) : x;
    return head(wanted, params, config);
  });
}

/** One decoder layer on x [B, T, D]. */
export function decoderLayer(
  x: Tensor3D,
  params: OpenElmLayerParams,
  config: OpenElmConfig,
  context: LayerContext,
): Tensor3D {
  const { rmsNormEps: eps } = config;
  return tidy(() => {
    const attended = selfAttention(
      rmsNorm(x, params.attn_norm.weight, { eps }),
      params.attn,
      config,
      context,
    );
    const h = add(x, attended); // [B, T, D]
    const { proj_1, proj_2 } = params.ffn;
    const normed = rmsNorm(h, params.ffn_norm.weight, { eps });
    return add(h, gatedFeedForward(normed, { gateUp: proj_1.weight, down: proj_2.weight }));
  });
}

/** The layer, computed once more on the way back. The rotary tables are inputs, so that they live until then. */
function again(
  x: Tensor3D,
  params: OpenElmLayerParams,
  config: OpenElmConfig,
  context: LayerContext,
): Tensor3D {
  const { cos, sin } = context.places.queries;
  return checkpoint(
    ({ x, layer, cos, sin }) =>
      decoderLayer(x, layer as object as OpenElmLayerParams, config, {
        ...context,
        places: { queries: { cos, sin } },
      }),
    { x, layer: params as object as ParamTree, cos, sin },
  );
}

export interface LayerContext {
  /** Which layer this is, for the cache. */
  readonly index: number;
  readonly places: Positions;
  readonly cache?: KvCache | undefined;
  /** The first position of each row that counts. */
  readonly validFrom?: readonly number[] | undefined;
  /** Where the documents of each row begin. */
  readonly documents?: DocumentStarts | undefined;
  /** Looks at a layer's raw keys and values, and gives those to attend to. */
  readonly exchangeKv?: (own: KvPair) => KvPair;
}

/**
 * Causal grouped-query attention on x [B, T, D]: queries and keys are normalized for each head, then rotated.
 *
 * @returns [B, T, D]
 */
export function selfAttention(
  x: Tensor3D,
  params: OpenElmLayerParams["attn"],
  config: OpenElmConfig,
  context: LayerContext,
): Tensor3D {
  const { index, cache, validFrom, documents } = context;
  const length = (cache?.layerLength(index) ?? 0) + x.shape[1];
  const { q, seen } = isNextToken(x, context)
    ? attendingNext(x, params, config, context)
    : attending(x, params, config, context);
  const hidden = { ...(validFrom && { validFrom }), ...(documents && { documents }) };
  const y = attention(q, seen.keys, seen.values, { causal: true, length, ...hidden });
  return mergeHeads(y, params);
}

interface Attending {
  /** [B, H, T, d] */
  readonly q: Tensor4D;
  /** All keys and values to attend to. */
  readonly seen: KvPair;
}

function attending(
  x: Tensor3D,
  params: OpenElmLayerParams["attn"],
  config: OpenElmConfig,
  context: LayerContext,
): Attending {
  const { index, places } = context;
  const { queries, ...own } = projectHeads(x, params, config, index);
  const { keys, values } = context.exchangeKv?.(own) ?? own;
  const q = rope(rmsNorm(queries, params.q_norm.weight, { eps: config.rmsNormEps }), places.queries);
  const k = rmsNorm(keys, params.k_norm.weight, { eps: config.rmsNormEps });
  return { q, seen: remember({ keys: k, values }, context) };
}

/** The same for one token on top of a cache, in few steps. */
function attendingNext(
  x: Tensor3D,
  params: OpenElmLayerParams["attn"],
  config: OpenElmConfig,
  { index, places, cache }: LayerContext & { readonly cache: KvCache },
): Attending {
  const { numQueryHeads, numKvHeads } = config.layers[index] as OpenElmConfig["layers"][number];
  const { queries, ...own } = tokenHeads(linear(x, params.qkv_proj.weight), {
    ...{ numQueryHeads, numKvHeads, tables: places.queries, eps: config.rmsNormEps },
    gains: { queries: params.q_norm.weight, keys: params.k_norm.weight },
  });
  cache.append(index, own);
  return { q: queries, seen: cache.layer(index) };
}

/** Whether x is one token that goes into a cache of rotated keys, and nobody looks at its raw ones. */
function isNextToken(
  x: Tensor3D,
  context: LayerContext,
): context is LayerContext & { readonly cache: KvCache } {
  const { cache, exchangeKv, documents } = context;
  return x.shape[1] === 1 && cache?.rotated === true && !exchangeKv && !documents;
}

/** Raw queries [B, H, T, d], keys and values [B, Hkv, T, d]. The joint projection holds them in this order. */
export function projectHeads(
  x: Tensor3D,
  params: OpenElmLayerParams["attn"],
  config: OpenElmConfig,
  index: number,
): { queries: Tensor4D } & KvPair {
  const [B, T] = x.shape;
  const { numQueryHeads: H, numKvHeads: Hkv } = config.layers[index] as OpenElmConfig["layers"][number];
  const qkv = reshape(linear(x, params.qkv_proj.weight), [B, T, H + 2 * Hkv, config.headDim]);
  const heads = transpose(qkv, [0, 2, 1, 3]); // [B, H + 2 Hkv, T, d]
  const [queries, keys, values] = split(heads, [H, Hkv, Hkv], { axis: 1 }) as [Tensor4D, Tensor4D, Tensor4D];
  return { queries, keys, values };
}

/** Heads side by side, and the projection back: [B, H, T, d] to [B, T, D]. */
export function mergeHeads(y: Tensor4D, params: OpenElmLayerParams["attn"]): Tensor3D {
  const [B, H, T, d] = y.shape;
  const byToken = T === 1 ? y : transpose(y, [0, 2, 1, 3]); // one token's heads lie side by side as they are
  return linear(reshape(byToken, [B, T, H * d]), params.out_proj.weight);
}

/** The final norm and the head: [B, T, D] to [B, T, V]. */
export function head(x: Tensor3D, params: OpenElmParams, config: OpenElmConfig): Tensor3D {
  const normed = rmsNorm(x, params.norm.weight, { eps: config.rmsNormEps });
  return linear(normed, (params.classifier ?? params.token_embeddings).weight);
}

/** Rotary tables of the tokens at hand, and of all keys where a cache keeps them unrotated. */
export interface Positions {
  readonly queries: RopeTables;
  readonly allKeys?: RopeTables;
}

interface PositionsOptions extends Pick<LayerContext, "cache" | "documents"> {
  readonly past: number;
  readonly length: number;
}

export function positionsOf(
  { headDim, ropeBase: base }: OpenElmConfig,
  { past, length, cache, documents }: PositionsOptions,
): Positions {
  const queries = ropeTables({ headDim, start: past, length, base, ...(documents && { documents }) });
  if (!cache || cache.rotated) return { queries };
  return { queries, allKeys: ropeTables({ headDim, length: past + length, base }) };
}

/** Adds normalized keys to the cache, if there is one, and returns all keys, rotated, and values to attend to. */
export function remember(
  { keys, values }: KvPair,
  { index, places, cache }: Pick<LayerContext, "index" | "places" | "cache">,
): KvPair {
  if (!cache) return { keys: rope(keys, places.queries), values };
  cache.append(index, { keys: cache.rotated ? rope(keys, places.queries) : keys, values });
  const held = cache.layer(index);
  if (cache.rotated) return held;
  const used = (x: Tensor4D) => slice(x, [0, 0, 0, 0], [-1, -1, cache.layerLength(index), -1]);
  return { keys: rope(used(held.keys), places.allKeys as RopeTables), values: used(held.values) };
}

export function checkTokens(tokens: Tensor2D): [B: number, T: number] {
  checkDType("OpenElm: tokens", tokens, "int32");
  checkShape("OpenElm: tokens", tokens, [null, null], "Pass a batch: one row of ids for each text.");
  const [B, T] = tokens.shape;
  if (B > 0 && T > 0) return [B, T];
  throw new RangeError(`OpenElm: tokens has shape [${B}, ${T}], expected at least one row and one token.`);
}

/**
 * Throws unless T more tokens of B rows can go into layers 0 to `last` of the cache.
 *
 * @returns how many positions these layers hold
 */
export function checkCache(
  cache: KvCache,
  config: OpenElmConfig,
  B: number,
  T: number,
  last = config.layers.length - 1,
): number {
  const same =
    cache.shapes.length === config.layers.length &&
    cache.shapes.every(({ numKvHeads, headDim }, i) => {
      return numKvHeads === config.layers[i]?.numKvHeads && headDim === config.headDim;
    });
  if (!same || cache.batch !== B) {
    const heads = (counts: readonly number[], width: number | undefined) => `[${counts}] of width ${width}`;
    throw new RangeError(
      `OpenElm: the cache is for ${cache.batch} rows and key-value heads ` +
        `${heads(
          cache.shapes.map((shape) => shape.numKvHeads),
          cache.shapes[0]?.headDim,
        )}, expected ${B} rows and ` +
        `${heads(
          config.layers.map((layer) => layer.numKvHeads),
          config.headDim,
        )}. Make it with createCache of this model.`,
    );
  }
  const held = Array.from({ length: last + 1 }, (_, layer) => cache.layerLength(layer));
  const past = held[0] as number;
  if (held.some((length) => length !== past)) {
    throw new RangeError(
      `OpenElm: layers 0 to ${last} of the cache hold [${held}] positions, expected the same in each. ` +
        `Write what is missing, or truncate it to ${Math.min(...held)}.`,
    );
  }
  cache.checkRoom(T, 0);
  return past;
}

function padding(
  lengths: readonly number[] | undefined,
  cache: KvCache | undefined,
  B: number,
  T: number,
): readonly number[] | undefined {
  if (!lengths) return cache?.validFrom;
  if (lengths.length !== B || !lengths.every((n) => Number.isInteger(n) && n >= 1 && n <= T)) {
    throw new RangeError(
      `OpenElm: lengths is [${lengths}], expected one integer from 1 to ${T} for each of ${B} rows.`,
    );
  }
  const validFrom = lengths.map((n) => T - n);
  return validFrom;
}
