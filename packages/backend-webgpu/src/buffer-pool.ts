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
const IDLE = 0.08; // of the most that was in use at once within the window: what may lie idle
const LATE = 0.04; // and what may wait for a submission to be given back
const SMALL = 2 ** 15; // bytes that may lie idle, and wait, whatever is in use

/** Who records commands on the buffers. */
export interface PoolOwner {
  /** The batch being recorded. */
  readonly batch: number;
  /** Hands the batch over; calls `submitted`. */
  submit(): void;
  /** Is told of each buffer that will be destroyed. */
  forget(pooled: PooledBuffer): void;
}

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
 * Storage buffers by size class. All that is allocated stays within 1.12 times the most that was in use at once lately.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  /** By size, the newest first: equal work then finds equal buffers, and the bindings of them that are there. */
  readonly #free = new Map<number, PooledBuffer[]>();
  /** Destroyed after the next submission, since recorded commands use them. */
  readonly #doomed: PooledBuffer[] = [];
  #doomedBytes = 0;
  readonly #owner: PoolOwner;
  #used = 0;
  #allocated = 0;
  #peak = 0;
  #peakBefore = 0;
  #acquisitions = 0;
  #count = 0;

  constructor(device: GPUDevice, failures: Failures, owner: PoolOwner) {
    this.#device = device;
    this.#failures = failures;
    this.#owner = owner;
  }

  get bytes(): PoolBytes {
    return { used: this.#used, allocated: this.#allocated };
  }

  /**
   * A buffer of at least `byteLength`, with whatever it held before.
   *
   * @param untouched - whether the buffer is written from outside, ahead of the commands recorded so far, and so must
   *   not be one that they use
   */
  acquire(byteLength: number, { untouched = false } = {}): PooledBuffer {
    const { batch } = this.#owner;
    const size = sizeClass(byteLength, this.#device.limits.maxStorageBufferBindingSize);
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    if (++this.#acquisitions % WINDOW === 0) {
      this.#peakBefore = this.#peak;
      this.#peak = this.#used;
    }
    const list = this.#free.get(size);
    const at = list ? (untouched ? list.findLastIndex((one) => one.lastUse < batch) : list.length - 1) : -1;
    const reused = at >= 0 ? list?.splice(at, 1)[0] : undefined;
    if (reused) {
      reused.lastUse = batch;
      return reused;
    }
    this.#trim(size);
    return this.#create(size);
  }

  release(pooled: PooledBuffer): void {
    this.#used -= pooled.byteLength;
    if (pooled.isVoid) {
      this.#drop(pooled);
      return;
    }
    const list = this.#free.get(pooled.byteLength) ?? [];
    const older = list.findLastIndex(({ id }) => id > pooled.id);
    list.splice(older + 1, 0, pooled);
    this.#free.set(pooled.byteLength, list);
    this.#trim(0);
  }

  /** To be called after each submission: what was given back is no longer in use. */
  submitted(): void {
    for (const { buffer, byteLength } of this.#doomed.splice(0)) {
      buffer.destroy();
      this.#allocated -= byteLength;
    }
    this.#doomedBytes = 0;
  }

  #create(byteLength: number): PooledBuffer {
    const { storage, copySource, copyTarget } = bufferUsage;
    const usage = storage | copySource | copyTarget;
    const buffer: GPUBuffer = this.#failures.watch(
      this.#device,
      `a buffer of ${byteLength} bytes`,
      () => this.#device.createBuffer({ size: byteLength, usage }),
      () => this.#voided(pooled),
    );
    const pooled: PooledBuffer = {
      id: this.#count++,
      buffer,
      byteLength,
      lastUse: this.#owner.batch,
      isVoid: false,
    };
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
    this.#owner.forget(pooled);
    if (pooled.lastUse < this.#owner.batch) {
      pooled.buffer.destroy();
      this.#allocated -= pooled.byteLength;
      return;
    }
    this.#doomed.push(pooled);
    this.#doomedBytes += pooled.byteLength;
  }

  /** Gives back idle buffers, until what is allocated and `coming` fit what is used. */
  #trim(coming: number): void {
    const peak = Math.max(this.#peak, this.#peakBefore);
    const limit = (1 + IDLE) * peak + SMALL - coming;
    const excess = () => this.#allocated - this.#doomedBytes > limit;
    for (const [size, list] of this.#free) {
      while (excess()) {
        const newest = list.shift();
        if (!newest) break;
        this.#drop(newest);
      }
      if (list.length === 0) this.#free.delete(size);
      if (!excess()) break;
    }
    if (this.#doomedBytes > LATE * peak + SMALL) this.#owner.submit();
  }
}
