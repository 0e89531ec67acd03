// The heap that all of WebAssembly's tensors share, guarded: TensorFlow.js does not look whether an allocation
// succeeded, and would write over other tensors.
import { OutOfMemoryError } from "@corenet/core";
import type { PerThread } from "@corenet/tensor";
import type { EmscriptenModule } from "./emscripten.ts";

const CACHE_LINE = 64; // bytes

/** Makes every allocation from JavaScript throw where it fails. */
export function guardHeap(module: EmscriptenModule): void {
  module._free(module._malloc(16)); // the first call replaces the function by the real one
  const allocate = module._malloc;
  module._malloc = (bytes) => {
    const address = allocate(bytes);
    if (address !== 0 || bytes === 0) return address;
    const heapMiB = (module.HEAPU8.length / 2 ** 20).toFixed(0);
    throw new OutOfMemoryError(
      `wasm: no room for ${bytes} bytes in a heap of ${heapMiB} MiB, of at most 4096. ` +
        "Dispose tensors, or use a smaller batch or a smaller dtype.",
      { requestedBytes: bytes },
    );
  };
}

/** One block for temporary use that grows and is kept. */
export class Scratch {
  readonly #module: EmscriptenModule;
  #address = 0;
  #bytes = 0;

  constructor(module: EmscriptenModule) {
    this.#module = module;
  }

  /** Room for each of `threads` threads: `bytes` rounded up, so that no two share a cache line. */
  reserve(bytes: number, threads: number): PerThread {
    const stride = Math.ceil(bytes / CACHE_LINE) * CACHE_LINE;
    const total = stride * threads;
    if (total > this.#bytes) {
      if (this.#address) this.#module._free(this.#address);
      this.#address = 0;
      this.#bytes = 0;
      const room = Math.max(65536, Math.min(2 * total, total + 2 ** 24));
      this.#address = this.#module._malloc(room + CACHE_LINE) >>> 0;
      this.#bytes = room;
    }
    return { address: Math.ceil(this.#address / CACHE_LINE) * CACHE_LINE, stride };
  }
}
