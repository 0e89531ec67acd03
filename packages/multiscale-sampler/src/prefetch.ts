import { abortable } from "@corenet/core";
import { checkCount } from "./check.ts";
import type { AnyBatch } from "./epoch.ts";
import { SampleError } from "./sample-error.ts";

/** A batch with its samples. */
export type LoadedBatch<B extends AnyBatch, T> = B & {
  /** One for each of `indices`, in their order. */
  readonly items: T[];
};

/**
 * Reads a sample at the scale of its batch.
 *
 * @param signal - aborts when the samples are no longer wanted
 */
export type GetSample<B extends AnyBatch, T> = (
  index: number,
  batch: B,
  signal: AbortSignal,
) => T | PromiseLike<T>;

export interface PrefetchOptions<T> {
  /** Samples that are read at the same time. @default 8 */
  concurrency?: number;
  /** Batches that are read or ready beyond the one in use. @default 2 */
  ahead?: number;
  /** Stops the reading; what waits for a batch rejects with its `reason`. */
  signal?: AbortSignal;
  /** Frees a sample that was read and is no longer wanted: after an error, an abort, or a loop that ends early. */
  release?: (item: T) => void;
}

/**
 * Batches with their samples, read ahead of the loop that uses them, in the order of the sampler.
 *
 * Nothing is read before the first batch is asked for, and nothing is begun after the last is: a `break` or an abort
 * tells every `get` through its signal, and does not wait for it. After an error the iterator is at its end.
 *
 * @param batches - `sampler.epoch(e)`, or other batches
 * @throws RangeError when an option cannot be
 * @throws SampleError while iterating, when `get` fails; batches before that one come first
 */
export function prefetch<B extends AnyBatch, T>(
  batches: Iterable<B>,
  get: GetSample<B, T>,
  options: PrefetchOptions<T> = {},
): AsyncIterableIterator<LoadedBatch<B, T>, void, undefined> {
  const { concurrency = 8, ahead = 2 } = options;
  checkCount("prefetch: concurrency", concurrency, 1, "Use 1 to read one sample after the other.");
  checkCount("prefetch: ahead", ahead, 0, "Use 0 to read only what is asked for.");
  return new Prefetcher(batches, get, options);
}

interface Loading<B, T> {
  readonly batch: B;
  readonly reads: readonly Promise<T>[];
  readonly items: Promise<T[]>;
}

/** Owns the batches that are being read, and the listener on the caller's signal. */
class Prefetcher<B extends AnyBatch, T> implements AsyncIterableIterator<LoadedBatch<B, T>, void, undefined> {
  readonly #batches: Iterator<B>;
  readonly #get: GetSample<B, T>;
  readonly #options: PrefetchOptions<T>;
  readonly #slots: Slots;
  readonly #stop = new AbortController();
  #loading: Loading<B, T>[] = [];
  #state: "new" | "open" | "closed" = "new";
  #untold = false; // the caller's signal has aborted, and no call has said so yet

  constructor(batches: Iterable<B>, get: GetSample<B, T>, options: PrefetchOptions<T>) {
    this.#batches = batches[Symbol.iterator]();
    this.#get = get;
    this.#options = options;
    this.#slots = new Slots(options.concurrency ?? 8);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<LoadedBatch<B, T>, void>> {
    const { signal, ahead = 2 } = this.#options;
    if (this.#state === "new") {
      this.#state = "open"; // only now, so that an iterator that nobody uses holds no listener
      if (signal?.aborted) this.#onAbort();
      else signal?.addEventListener("abort", this.#onAbort, { once: true });
    }
    if (this.#untold) {
      this.#untold = false;
      throw signal?.reason;
    }
    let first: Loading<B, T> | undefined;
    try {
      this.#fill(1 + ahead);
      first = this.#loading.shift();
      if (!first) return await this.return();
      const items = await abortable(first.items, this.#stop.signal);
      this.#fill(ahead);
      return { done: false, value: { ...first.batch, items } };
    } catch (error) {
      if (first) this.#drop(first);
      if (this.#state === "closed" && !signal?.aborted) return { done: true, value: undefined }; // by `return`
      this.#close();
      this.#untold = false;
      throw error;
    }
  }

  async return(): Promise<IteratorReturnResult<void>> {
    this.#close();
    this.#untold = false;
    return { done: true, value: undefined };
  }

  readonly #onAbort = () => {
    this.#untold = true;
    this.#close(this.#options.signal?.reason);
  };

  #close(reason?: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#stop.abort(reason);
    this.#slots.open(); // who waits for one sees that it is over
    for (const loading of this.#loading) this.#drop(loading);
    this.#loading = [];
    this.#batches.return?.();
  }

  #fill(count: number): void {
    while (this.#state === "open" && this.#loading.length < count) {
      const { done, value: batch } = this.#batches.next();
      if (done) return;
      const reads = Array.from(batch.indices, (index) => this.#read(index, batch));
      const items = Promise.all(reads);
      items.catch(() => {}); // told when its turn comes
      this.#loading.push({ batch, reads, items });
    }
  }

  async #read(index: number, batch: B): Promise<T> {
    const { signal } = this.#stop;
    await this.#slots.take();
    try {
      signal.throwIfAborted();
      return await this.#get(index, batch, signal);
    } catch (cause) {
      throw new SampleError({ index, epoch: batch.epoch, step: batch.step }, cause);
    } finally {
      this.#slots.give();
    }
  }

  #drop({ reads }: Loading<B, T>): void {
    const { release } = this.#options;
    for (const read of reads) read.then(release, () => {}); // also those that are still on their way
  }
}

/** Counts what runs at the same time; who finds no slot waits, first come first served. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async take(): Promise<void> {
    this.#free -= 1;
    if (this.#free < 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    this.#free += 1;
    this.#waiting.shift()?.();
  }

  /** Lets everybody through, now and from now on. */
  open(): void {
    this.#free = Infinity;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
