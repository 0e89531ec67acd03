import { checkShape, disposeTree, keep, slice, type Tensor4D, zeros } from "@corenet/tensor";
import type { KvPair, KvShape } from "./causal-lm.ts";
import { writeRowsOp } from "./kernels/write-rows/op.ts";

export interface KvCacheOptions {
  /** One for each layer. */
  shapes: readonly KvShape[];
  batch: number;
  /** Positions that it can hold. Its memory is taken at once. */
  capacity: number;
  /** Whether its keys are rotated to their positions. @default true */
  rotated?: boolean;
}

interface Layer {
  keys: Tensor4D;
  values: Tensor4D;
  length: number;
}

/**
 * Keys and values of the tokens that a model has seen, a fixed number of positions for each layer. Owns its memory:
 * hold it with `using`, or dispose it.
 */
export class KvCache implements Disposable {
  readonly shapes: readonly KvShape[];
  readonly batch: number;
  readonly capacity: number;
  /** Whether keys are stored rotated: once, when they come. Otherwise the model rotates all of them at each step. */
  readonly rotated: boolean;
  readonly #layers: Layer[];
  #validFrom: readonly number[] | undefined;

  constructor({ shapes, batch, capacity, rotated = true }: KvCacheOptions) {
    if (!(Number.isInteger(batch) && batch > 0 && Number.isInteger(capacity) && capacity > 0)) {
      throw new RangeError(
        `KvCache: batch is ${batch} and capacity ${capacity}, expected positive integers.`,
      );
    }
    this.shapes = shapes;
    this.batch = batch;
    this.capacity = capacity;
    this.rotated = rotated;
    this.#layers = shapes.map(({ numKvHeads, headDim }) => ({
      keys: keep(zeros<Tensor4D>([batch, numKvHeads, capacity, headDim])),
      values: keep(zeros<Tensor4D>([batch, numKvHeads, capacity, headDim])),
      length: 0,
    }));
  }

  /** Positions that every layer holds. */
  get length(): number {
    return Math.min(...this.#layers.map((layer) => layer.length));
  }

  /** The first position of each row that counts, where rows were padded on the left. */
  get validFrom(): readonly number[] | undefined {
    return this.#validFrom;
  }

  /** Marks what stands before these positions as padding. Only while the cache is empty. */
  padRows(validFrom: readonly number[]): void {
    const held = Math.max(...this.#layers.map((layer) => layer.length));
    if (held > 0) {
      throw new RangeError(
        `KvCache: holds ${held} positions, expected none. Padding is set before the first.`,
      );
    }
    if (validFrom.length !== this.batch) {
      throw new RangeError(
        `KvCache: got ${validFrom.length} row starts, expected one for each of ${this.batch} rows.`,
      );
    }
    this.#validFrom = validFrom.some((start) => start > 0) ? [...validFrom] : undefined;
  }

  /** Positions of one layer: layers differ while a prefill is under way. */
  layerLength(layer: number): number {
    return this.#layer(layer).length;
  }

  /** The buffers of one layer, [B, Hkv, capacity, d] each, of which `layerLength` positions count. Borrowed. */
  layer(layer: number): KvPair {
    const { keys, values } = this.#layer(layer);
    return { keys, values };
  }

  /**
   * Adds the keys and values of T new positions to one layer; borrows them.
   *
   * @param kv - each [B, Hkv, T, d], rotated if the cache is
   * @throws RangeError when the cache is full; ShapeError when they do not fit
   */
  append(layer: number, kv: KvPair): void {
    const entry = this.#layer(layer);
    const { numKvHeads, headDim } = this.shapes[layer] as KvShape;
    const T = kv.keys.shape[2];
    const fits = [this.batch, numKvHeads, T, headDim];
    const hint = "Make the cache with createCache of the model that uses it, for this batch.";
    checkShape(`KvCache: keys of layer ${layer}`, kv.keys, fits, hint);
    checkShape(`KvCache: values of layer ${layer}`, kv.values, fits, hint);
    this.checkRoom(T, layer);
    entry.keys = replace(entry.keys, kv.keys, entry.length);
    entry.values = replace(entry.values, kv.values, entry.length);
    entry.length += T;
  }

  /** @throws RangeError when `count` more positions do not fit */
  checkRoom(count: number, layer?: number): void {
    const held = layer === undefined ? this.length : this.layerLength(layer);
    if (held + count <= this.capacity) return;
    throw new RangeError(
      `KvCache: ${held} positions are held and ${count} come, expected at most ${this.capacity} in all. ` +
        "Create it with a larger capacity, or truncate it.",
    );
  }

  /** Forgets what comes after the first `length` positions. */
  truncate(length: number): void {
    if (!(Number.isInteger(length) && length >= 0)) {
      throw new RangeError(`KvCache: cannot keep ${length} positions, expected a non-negative integer.`);
    }
    for (const layer of this.#layers) layer.length = Math.min(layer.length, length);
    if (length === 0) this.#validFrom = undefined;
  }

  /**
   * Forgets `count` positions from `from` on; what follows moves up, and its keys are turned to their new positions when
   * they are used.
   *
   * @throws RangeError when the keys are stored rotated, or there are no such positions
   */
  drop(from: number, count: number): void {
    const held = this.length;
    if (this.rotated) {
      throw new RangeError(
        "KvCache: its keys are rotated to their positions and cannot move. Create it with rotated: false.",
      );
    }
    if (
      !(Number.isInteger(from) && from >= 0 && Number.isInteger(count) && count >= 0 && from + count <= held)
    ) {
      throw new RangeError(`KvCache: cannot drop ${count} positions from ${from} on, it holds ${held}.`);
    }
    for (const layer of this.#layers) {
      const rest = layer.length - from - count;
      if (rest > 0 && count > 0) {
        const moved = (t: Tensor4D) => {
          const tail = slice(t, [0, 0, from + count, 0], [-1, -1, rest, -1]);
          const buffer = replace(t, tail, from);
          tail.dispose();
          return buffer;
        };
        layer.keys = moved(layer.keys);
        layer.values = moved(layer.values);
      }
      layer.length -= count;
    }
  }

  /** A cache of the same content that goes its own way. */
  clone(): KvCache {
    const { shapes, batch, capacity, rotated } = this;
    const copy = new KvCache({ shapes, batch, capacity, rotated });
    copy.#validFrom = this.#validFrom;
    this.#layers.forEach((layer, i) => {
      if (layer.length === 0) return;
      const used = (t: Tensor4D) => slice(t, [0, 0, 0, 0], [-1, -1, layer.length, -1]);
      const kv = { keys: used(layer.keys), values: used(layer.values) };
      copy.append(i, kv);
      disposeTree({ ...kv });
    });
    return copy;
  }

  dispose(): void {
    for (const { keys, values } of this.#layers) disposeTree([keys, values]);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #layer(index: number): Layer {
    const layer = this.#layers[index];
    if (layer) return layer;
    throw new RangeError(`KvCache: there is no layer ${index}, expected 0 to ${this.#layers.length - 1}.`);
  }
}

function replace(buffer: Tensor4D, rows: Tensor4D, position: number): Tensor4D {
  const [written] = writeRowsOp([buffer, rows], { position });
  buffer.dispose();
  return keep(written);
}
