import { CorenetError, type Rng } from "@corenet/core";
import { type CausalLm, KvCache, type KvPair, type KvShape, type ReadRawKvOptions } from "@corenet/nn";
import { disposeTree, type ParamTree, type Tensor2D, type Tensor3D, type Tensor4D } from "@corenet/tensor";
import type { OpenElmConfig } from "./config.ts";
import { forward, type OpenElmForwardOptions } from "./model.ts";
import { createParameters, type OpenElmParams } from "./parameters.ts";
import { forwardGivenKv, normKeys, readRawKv, writeRawKv } from "./raw-kv.ts";

/** An OpenELM language model. Owns its parameters: hold it with `using`, or dispose it. */
export class OpenElm implements CausalLm, Disposable {
  readonly params: OpenElmParams;
  readonly config: OpenElmConfig;

  constructor(params: OpenElmParams, config: OpenElmConfig) {
    this.params = params;
    this.config = config;
  }

  get vocabSize(): number {
    return this.config.vocabSize;
  }

  get contextLength(): number {
    return this.config.contextLength;
  }

  get kvShapes(): KvShape[] {
    return this.config.layers.map(({ numKvHeads }) => ({ numKvHeads, headDim: this.config.headDim }));
  }

  withParams(params: ParamTree): OpenElm {
    return new OpenElm(params as OpenElmParams, this.config);
  }

  /** Next-token logits: tokens [B, T] to [B, T, V], or [B, 1, V] with `logits: "last"`. */
  forward(tokens: Tensor2D, options: OpenElmForwardOptions = {}): Tensor3D {
    return forward(tokens, this.params, this.config, options);
  }

  /**
   * @param options - `rotated: false` keeps keys as the reference does, before the rotation
   */
  createCache(options: { batch: number; capacity: number; rotated?: boolean }): KvCache {
    return new KvCache({ shapes: this.kvShapes, ...options });
  }

  readRawKv(tokens: Tensor2D, options: ReadRawKvOptions): void {
    readRawKv(tokens, this.params, this.config, options);
  }

  writeRawKv(cache: KvCache, layer: number, kv: KvPair): void {
    writeRawKv(cache, layer, kv, this.params, this.config);
  }

  forwardGivenKv(
    tokens: Tensor2D,
    kv: readonly KvPair[],
    options: { until?: readonly number[] } = {},
  ): Tensor3D {
    return forwardGivenKv(tokens, kv, this.params, this.config, options);
  }

  normKeys(layer: number, keys: Tensor4D): Tensor4D {
    return normKeys(layer, keys, this.params, this.config);
  }

  dispose(): void {
    disposeTree(this.params);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A fresh model with random weights. One seed gives one model, on every machine.
 *
 * @throws BackendError when no backend was started
 */
export async function createOpenElm(config: OpenElmConfig, { rng }: { rng: Rng }): Promise<OpenElm> {
  if (!rng) throw new CorenetError("createOpenElm: got no rng, expected one. Pass { rng: new Rng(1) }.");
  return new OpenElm(await createParameters(config, rng), config);
}
