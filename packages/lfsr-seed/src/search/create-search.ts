import { encoderModule } from "./encoder-module.ts";
import { threadSearch } from "./thread-search.ts";
import { type WorkerSearch, workerSearch } from "./worker-search.ts";

export interface SearchOptions {
  /** Worker threads; 0 searches on the calling thread. @default one for each core */
  workers?: number | undefined;
  /**
   * Browsers: where a file with the program of the workers lies, `lfsrWorkerSource`, for pages whose policy forbids
   * workers from blobs.
   */
  workerUrl?: string | URL | undefined;
}

/** Cores of this machine, as far as it tells. */
export function coreCount(): number {
  return globalThis.navigator?.hardwareConcurrency ?? 1;
}

/**
 * The fast search: WebAssembly with SIMD on worker threads. It finds the very codes of `referenceSearch`. Dispose it to
 * end its workers.
 *
 * @throws RangeError when `workers` is not an integer in [0, 256]
 */
export async function createSearch(options: SearchOptions = {}): Promise<WorkerSearch> {
  const { workers = coreCount(), workerUrl } = options;
  if (!(Number.isInteger(workers) && workers >= 0 && workers <= 256)) {
    throw new RangeError(
      `createSearch: workers is ${workers}, expected an integer in [0, 256]. Leave it out for one per core.`,
    );
  }
  const module = await encoderModule();
  if (workers > 0) return workerSearch({ module, workers, workerUrl });
  const nothing = () => Promise.resolve();
  return { ...threadSearch(module), dispose: nothing, [Symbol.asyncDispose]: nothing };
}
