import { bufferUsage } from "./buffer-pool.ts";
import type { Failures } from "./failures.ts";

const KEPT_BYTES = 2 ** 22;

/** Buffers that the host reads, used again by size: a read in a loop makes none after its first. */
export class Staging {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  #idle: GPUBuffer[] = [];

  constructor(device: GPUDevice, failures: Failures) {
    this.#device = device;
    this.#failures = failures;
  }

  /** Of at least `byteLength`. */
  acquire(byteLength: number): GPUBuffer {
    const size = 256 * Math.ceil(byteLength / 256);
    const at = this.#idle.findIndex((buffer) => buffer.size === size);
    const [idle] = at < 0 ? [] : this.#idle.splice(at, 1);
    if (idle) return idle;
    const usage = bufferUsage.mapRead | bufferUsage.copyTarget;
    return this.#failures.watch(this.#device, "a read", () => this.#device.createBuffer({ size, usage }));
  }

  /** Takes back one that was mapped, and keeps what was used last. */
  release(buffer: GPUBuffer): void {
    buffer.unmap();
    this.#idle.unshift(buffer);
    let bytes = 0;
    this.#idle = this.#idle.filter((one) => {
      bytes += one.size;
      if (bytes > KEPT_BYTES) one.destroy();
      return bytes <= KEPT_BYTES;
    });
  }
}
