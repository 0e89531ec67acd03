// The heap that all of WebAssembly's tensors share, guarded: TensorFlow.js does not look whether an allocation
// succeeded, and would write over other tensors.
import { OutOfMemoryError } from "@corenet/core";
import type { EmscriptenModule } from "./emscripten.ts";

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

  /** The address of at least `bytes` bytes, aligned to 16. */
  reserve(bytes: number): number {
    if (bytes > this.#bytes) {
      if (this.#address) this.#module._free(this.#address);
      this.#address = 0;
      this.#bytes = 0;
      const rounded = 2 ** Math.ceil(Math.log2(Math.max(bytes, 65536)));
      const room = Math.min(rounded, bytes + 2 ** 24);
      this.#address = this.#module._malloc(room + 16) >>> 0;
      this.#bytes = room;
    }
    return ((this.#address + 15) & ~15) >>> 0;
  }
}
