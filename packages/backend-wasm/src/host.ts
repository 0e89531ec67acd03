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
}

/** Kernels' access to TensorFlow.js's heap. */
export function createHost(
  module: EmscriptenModule,
  backend: TfjsWasmBackend,
  options: HostOptions,
): WasmHost {
  guardHeap(module);
  const memory = Object.values(module.asm).find((value) => value instanceof WebAssembly.Memory);
  if (!(memory instanceof WebAssembly.Memory)) {
    throw new BackendError(
      "wasm: TensorFlow.js's module exports no memory. Is tfjs-backend-wasm at version 4.22.0?",
    );
  }
  const threads = isShared(memory) ? options.threads : 1;
  const pool = threads > 1 ? new ThreadPool(memory, threads) : null;
  const scratch = new Scratch(module);
  const modules = new WeakMap<WasmKernels, WebAssembly.Module>();
  return {
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
}
