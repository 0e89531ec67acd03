import { findBackend } from "@tensorflow/tfjs-core";

interface Allocator {
  _malloc(bytes: number): number;
  _free(address: number): void;
}

export interface HeapWatch extends Disposable {
  /** Bytes that were allocated since the watch began, and not freed. */
  bytes(): number;
  /** The most that they have been since the watch, or the last `resetPeak`, began. */
  peak(): number;
  resetPeak(): void;
}

/**
 * Counts what is allocated on wasm's heap: tensors, shared memory once, and scratch memory. Not what a C++ kernel takes
 * for itself while it runs. Begin before anything that is to be counted is made.
 */
export function watchHeap(): HeapWatch {
  const { wasm: heap } = findBackend("wasm") as object as { wasm: Allocator };
  const { _malloc: allocate, _free: free } = heap;
  const sizes = new Map<number, number>();
  let [live, peak] = [0, 0];
  heap._malloc = (bytes) => {
    const address = allocate(bytes);
    sizes.set(address >>> 0, bytes);
    live += bytes;
    peak = Math.max(peak, live);
    return address;
  };
  heap._free = (address) => {
    live -= sizes.get(address >>> 0) ?? 0;
    sizes.delete(address >>> 0);
    free(address);
  };
  return {
    bytes: () => live,
    peak: () => peak,
    resetPeak: () => {
      peak = live;
    },
    [Symbol.dispose]: () => void Object.assign(heap, { _malloc: allocate, _free: free }),
  };
}
