// GPU memory that is used again. TensorFlow.js keeps every buffer it ever made, by exact size; here sizes are rounded
// to classes, and what lies idle is given back.

import type { Failures } from "./failures.ts";

/** A buffer, and when the commands that use it were recorded. */
export interface PooledBuffer {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly byteLength: number;
  /** The batch of commands that used it last. */
  lastUse: number;
  /** Whether the device had no room for it: then it is not used again. */
  isVoid: boolean;
}

// GPUBufferUsage of the specification: the global of that name does not exist in Node.
export const bufferUsage = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const;

const WINDOW = 4096; // acquisitions: some training steps
const SLACK = 1.1; // what may be allocated for each byte that was in use at once within the window
const SMALL = 2 ** 16; // bytes that may lie idle whatever is in use

/** What is in use, what is allocated, in bytes. */
export interface PoolBytes {
  readonly used: number;
  readonly allocated: number;
}

/**
 * The next size class: sixteen to an octave, so that at most a sixteenth is wasted from 256 bytes on.
 *
 * @param limit - the device's largest buffer
 */
export function sizeClass(byteLength: number, limit: number): number {
  const step = Math.max(16, 2 ** (Math.floor(Math.log2(Math.max(byteLength, 16))) - 4));
  const rounded = Math.max(16, Math.ceil(byteLength / step) * step);
  return rounded <= limit ? rounded : Math.ceil(byteLength / 4) * 4;
}

/**
 * Storage buffers by size class. All that is allocated stays within 1.1 times the most that was in use at once lately.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #free = new Map<number, PooledBuffer[]>();
  /** Destroyed after the next submission, since recorded commands may use them. */
  readonly #doomed: PooledBuffer[] = [];
  readonly #onDestroy: (buffer: PooledBuffer) => void;
  #used = 0;
  #allocated = 0;
  #peak = 0;
  #peakBefore = 0;
  #acquisitions = 0;
  #count = 0;

  constructor(device: GPUDevice, failures: Failures, onDestroy: (buffer: PooledBuffer) => void) {
    this.#device = device;
    this.#failures = failures;
    this.#onDestroy = onDestroy;
  }

  get bytes(): PoolBytes {
    return { used: this.#used, allocated: this.#allocated };
  }

  /**
   * A buffer of at least `byteLength`, with whatever it held before.
   *
   * @param batch - the batch being recorded
   * @param untouched - whether the buffer is written from outside, ahead of the commands recorded so far, and so must
   *   not be one that they use
   */
  acquire(byteLength: number, batch: number, { untouched = false } = {}): PooledBuffer {
    const size = sizeClass(byteLength, this.#device.limits.maxStorageBufferBindingSize);
    const list = this.#free.get(size);
    const at = list ? (untouched ? list.findIndex((one) => one.lastUse < batch) : list.length - 1) : -1;
    const reused = at >= 0 ? list?.splice(at, 1)[0] : undefined;
    const pooled = reused ?? this.#create(size);
    pooled.lastUse = batch;
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    if (++this.#acquisitions % WINDOW === 0) {
      this.#peakBefore = this.#peak;
      this.#peak = this.#used;
    }
    this.#trim();
    return pooled;
  }

  release(pooled: PooledBuffer): void {
    this.#used -= pooled.byteLength;
    if (pooled.isVoid) {
      this.#drop(pooled);
      return;
    }
    const list = this.#free.get(pooled.byteLength);
    if (list) list.push(pooled);
    else this.#free.set(pooled.byteLength, [pooled]);
    this.#trim();
  }

  /** To be called after each submission: what was given back is no longer in use. */
  submitted(): void {
    for (const { buffer } of this.#doomed.splice(0)) buffer.destroy();
  }

  #create(byteLength: number): PooledBuffer {
    const { storage, copySource, copyTarget } = bufferUsage;
    const usage = storage | copySource | copyTarget;
    const buffer = this.#failures.watch(
      this.#device,
      `a buffer of ${byteLength} bytes`,
      () => this.#device.createBuffer({ size: byteLength, usage }),
      () => this.#voided(pooled),
    );
    const pooled = { id: this.#count++, buffer, byteLength, lastUse: 0, isVoid: false };
    this.#allocated += byteLength;
    return pooled;
  }

  #voided(pooled: PooledBuffer): void {
    if (pooled.isVoid) return;
    pooled.isVoid = true;
    const list = this.#free.get(pooled.byteLength);
    const at = list?.indexOf(pooled) ?? -1;
    if (at < 0) return; // in use: dropped when it is released
    list?.splice(at, 1);
    this.#drop(pooled);
  }

  #drop(pooled: PooledBuffer): void {
    this.#allocated -= pooled.byteLength;
    this.#doomed.push(pooled);
    this.#onDestroy(pooled);
  }

  /** Gives back idle buffers, of the least used class first, until what is allocated fits what was used. */
  #trim(): void {
    const limit = SLACK * Math.max(this.#peak, this.#peakBefore) + SMALL;
    if (this.#allocated <= limit) return;
    for (const [size, list] of this.#free) {
      while (this.#allocated > limit) {
        const oldest = list.shift();
        if (!oldest) break;
        this.#drop(oldest);
      }
      if (list.length === 0) this.#free.delete(size);
      if (this.#allocated <= limit) return;
    }
  }
}
