import { BackendError } from "@corenet/core";
import { fromBase64 } from "@corenet/core/platform";
import type { DType, Tensor, WasmHost, WasmKernels } from "@corenet/tensor";
import { dataIdOf, tensorFromInfo } from "@corenet/tensor/host";
import type { EmscriptenModule } from "./emscripten.ts";
import { guardHeap, Scratch } from "./heap.ts";
import { declareShared, isShared } from "./shared-memory.ts";
import type { TfjsWasmBackend } from "./tfjs.ts";
import { ThreadPool } from "./threads/pool.ts";

export interface HostOptions {
  /** The calling one included; one where the heap is not shared. */
  threads: number;
  /** Whether kernels run in the build for relaxed SIMD. */
  relaxed: boolean;
  /** Where the workers' program is served as a file. */
  workerUrl: string | URL | undefined;
}

export interface StartedHost {
  readonly host: WasmHost;
  /** Ends the threads. */
  dispose(): void;
}

/**
 * Kernels' access to TensorFlow.js's heap.
 *
 * @throws BackendError when workers were to start from a URL and did not
 */
export async function createHost(
  module: EmscriptenModule,
  backend: TfjsWasmBackend,
  options: HostOptions,
): Promise<StartedHost> {
  guardHeap(module);
  const memory = Object.values(module.asm).find((value) => value instanceof WebAssembly.Memory);
  if (!(memory instanceof WebAssembly.Memory)) {
    throw new BackendError(
      "wasm: TensorFlow.js's module exports no memory. Is tfjs-backend-wasm at version 4.22.0?",
    );
  }
  const threads = isShared(memory) ? options.threads : 1;
  const { workerUrl } = options;
  const pool = threads > 1 ? new ThreadPool(memory, threads, { workerUrl }) : null;
  if (pool && workerUrl !== undefined) await started(pool, workerUrl);
  const scratch = new Scratch(module);
  const modules = new WeakMap<WasmKernels, WebAssembly.Module>();
  const host: WasmHost = {
    memory,
    threads,
    address: (tensor: Tensor) => backend.dataIdMap.get(dataIdOf(tensor)).memoryOffset,
    output: (shape: readonly number[], dtype: DType) => tensorFromInfo(backend.makeOutput([...shape], dtype)),
    scratch: (bytes) => scratch.reserve(bytes, threads),
    async compile(source) {
      const build = options.relaxed ? await source.relaxed() : await source.simd();
      return WebAssembly.compile(declareShared(fromBase64(build.default), isShared(memory)));
    },
    instantiate(module) {
      const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as WasmKernels;
      modules.set(kernels, module);
      return kernels;
    },
    parallel(kernels, fn, { tasks, grain }, ...args) {
      const module = modules.get(kernels);
      if (pool && module) pool.run({ module, functions: kernels, fn, tasks, grain, args });
      else kernels[fn]?.(...args.map((arg) => (typeof arg === "number" ? arg : arg.address)), 0, tasks);
    },
  };
  return { host, dispose: () => pool?.dispose() };
}

/** An address that the app gave is looked at now: where it is wrong, one thread would do all in silence. */
async function started(pool: ThreadPool, workerUrl: string | URL): Promise<void> {
  try {
    await pool.start();
  } catch (cause) {
    pool.dispose();
    throw new BackendError(
      `wasm: the worker at ${workerUrl} did not start (${cause instanceof Error ? cause.message : String(cause)}), ` +
        "expected the file worker.js of @corenet/backend-wasm, from this page's origin, as text/javascript. " +
        "Correct the address in wasm({ worker }), or leave it out to start workers from a blob.",
      { cause },
    );
  }
}
