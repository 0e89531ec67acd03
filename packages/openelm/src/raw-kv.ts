// The taps of keys and values before the key norm and the rotation: what KV Prediction reads and writes.
import { embedding, type KvCache, type KvPair, type ReadRawKvOptions, rmsNorm } from "@corenet/nn";
import {
  checkShape,
  clone,
  keep,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  where,
} from "@corenet/tensor";
import type { OpenElmConfig } from "./config.ts";
import { checkCache, checkTokens, decoderLayer, head, positionsOf, projectHeads, remember } from "./model.ts";
import type { OpenElmLayerParams, OpenElmParams } from "./parameters.ts";

/** Runs layers 0 to `last` and hands out each one's raw keys and values as soon as they are there. */
export function readRawKv(
  tokens: Tensor2D,
  params: OpenElmParams,
  config: OpenElmConfig,
  { last, cache, onLayer }: ReadRawKvOptions,
): void {
  checkLayer("readRawKv", last, config);
  const [B, T] = checkTokens(tokens);
  const past = cache ? checkCache(cache, config, B, T, last) : 0;
  tidy(() => {
    const places = positionsOf(config, { past, length: T, cache });
    const context = { places, cache, validFrom: cache?.validFrom };
    const hand = (index: number, { keys, values }: KvPair) => {
      onLayer(index, { keys: keep(clone(keys)), values: keep(clone(values)) });
    };
    let x = embedding(tokens, params.token_embeddings.weight); // [B, T, D]
    for (let index = 0; index < last; index++) {
      const exchangeKv = (own: KvPair) => {
        hand(index, own);
        return own;
      };
      x = decoderLayer(x, params.layers[index] as OpenElmLayerParams, config, {
        ...context,
        index,
        exchangeKv,
      });
    }
    const layer = params.layers[last] as OpenElmLayerParams;
    const normed = rmsNorm(x, layer.attn_norm.weight, { eps: config.rmsNormEps });
    const { keys, values } = projectHeads(normed, layer.attn, config, last);
    hand(last, { keys, values });
    if (cache)
      remember({ keys: normKeys(last, keys, params, config), values }, { index: last, places, cache });
  });
}

/** Norms raw keys and rotates them to the positions that follow in this layer of the cache, and appends. */
export function writeRawKv(
  cache: KvCache,
  layer: number,
  { keys, values }: KvPair,
  params: OpenElmParams,
  config: OpenElmConfig,
): void {
  checkLayer("writeRawKv", layer, config);
  checkPair("writeRawKv", layer, { keys, values }, config);
  tidy(() => {
    const places = positionsOf(config, { past: cache.layerLength(layer), length: keys.shape[2], cache });
    remember({ keys: normKeys(layer, keys, params, config), values }, { index: layer, places, cache });
  });
}

/** Logits of tokens [B, T] where query t of every layer attends to the given entries 0 to t. */
export function forwardGivenKv(
  tokens: Tensor2D,
  kv: readonly KvPair[],
  params: OpenElmParams,
  config: OpenElmConfig,
  { until }: { until?: readonly number[] },
): Tensor3D {
  const [B, T] = checkTokens(tokens);
  if (kv.length !== config.layers.length || (until && until.length !== B)) {
    throw new RangeError(
      `forwardGivenKv: got entries for ${kv.length} layers${until ? ` and ${until.length} row ends` : ""}, ` +
        `expected ${config.layers.length} layers and ${B} rows.`,
    );
  }
  kv.forEach((pair, layer) => {
    checkPair("forwardGivenKv", layer, pair, config, [B, T]);
  });
  return tidy(() => {
    const places = positionsOf(config, { past: 0, length: T });
    const isGiven = until && tensor(givenMask(until, T), [B, 1, T, 1], "bool");
    let x = embedding(tokens, params.token_embeddings.weight);
    params.layers.forEach((layer, index) => {
      const given = kv[index] as KvPair;
      const exchangeKv = (own: KvPair): KvPair => {
        if (!isGiven) return given;
        const choose = (a: Tensor4D, b: Tensor4D) => where(isGiven, a, b) as Tensor4D;
        return { keys: choose(given.keys, own.keys), values: choose(given.values, own.values) };
      };
      x = decoderLayer(x, layer, config, { index, places, exchangeKv });
    });
    return head(x, params, config);
  });
}

/** The key norm of one layer, without the rotation: [B, Hkv, T, d] to the same. */
export function normKeys(
  layer: number,
  keys: Tensor4D,
  params: OpenElmParams,
  config: OpenElmConfig,
): Tensor4D {
  checkLayer("normKeys", layer, config);
  const { attn } = params.layers[layer] as OpenElmLayerParams;
  return rmsNorm(keys, attn.k_norm.weight, { eps: config.rmsNormEps });
}

function givenMask(until: readonly number[], T: number): number[] {
  return until.flatMap((end) => Array.from({ length: T }, (_, t) => Number(t < end)));
}

function checkLayer(who: string, layer: number, { layers }: OpenElmConfig): void {
  if (Number.isInteger(layer) && layer >= 0 && layer < layers.length) return;
  throw new RangeError(`${who}: there is no layer ${layer}, expected 0 to ${layers.length - 1}.`);
}

function checkPair(
  who: string,
  layer: number,
  { keys, values }: KvPair,
  { layers, headDim }: OpenElmConfig,
  [B, T]: readonly [number | null, number | null] = [null, null],
): void {
  const expected = [B, layers[layer]?.numKvHeads ?? null, T, headDim];
  checkShape(`${who}: keys of layer ${layer}`, keys, expected, "Heads and width are those of kvShapes.");
  checkShape(
    `${who}: values of layer ${layer}`,
    values,
    [keys.shape[0], keys.shape[1], keys.shape[2], headDim],
    "Keys and values come in pairs.",
  );
}
