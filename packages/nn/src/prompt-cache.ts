import type { CausalLm } from "./causal-lm.ts";
import type { KvCache } from "./kv-cache.ts";

/**
 * What a model has read, token by token, so that a text which begins the same is not read again: the turns of a
 * conversation, many questions about one document. Owns its cache: hold it with `using`, or dispose it.
 *
 * @example
 * using promptCache = new PromptCache(model);
 * for await (const id of generate(model, turn1, { promptCache })) …
 * for await (const id of generate(model, turn2, { promptCache })) … // reads only what is new in turn 2
 */
export class PromptCache implements Disposable {
  readonly cache: KvCache;
  #ids: readonly number[] = [];

  /** @param options - `capacity` in tokens; as many as the model's context where nothing is said */
  constructor(model: CausalLm, options: { capacity?: number } = {}) {
    this.cache = model.createCache({ batch: 1, capacity: options.capacity ?? model.contextLength });
  }

  /** The tokens that the cache holds. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  /**
   * Forgets what differs from `ids`, and at least the last of them, since its logits are wanted.
   *
   * @returns how many of the first `ids` the cache holds now
   */
  reuse(ids: readonly number[]): number {
    const most = Math.min(this.#ids.length, ids.length - 1, this.cache.length);
    let common = 0;
    while (common < most && this.#ids[common] === ids[common]) common += 1;
    this.cache.truncate(common);
    this.#ids = ids.slice(0, common);
    return common;
  }

  /** Notes which tokens were read into the cache: the first of `ids`, as many as it holds. */
  commit(ids: readonly number[]): void {
    this.#ids = ids.slice(0, this.cache.length);
  }

  dispose(): void {
    this.cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
