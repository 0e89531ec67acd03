import { BackendError } from "@corenet/core";
import type { DType, Tensor, WasmHost, WasmKernels } from "@corenet/tensor";
import { dataIdOf, tensorFromInfo } from "@corenet/tensor/host";
import { relaxedSimd } from "wasm-feature-detect";
import { fromBase64 } from "./binary.ts";
import type { EmscriptenModule } from "./emscripten.ts";
import { guardHeap, Scratch } from "./heap.ts";
import type { TfjsWasmBackend } from "./tfjs.ts";

/** Kernels' access to TensorFlow.js's heap. */
export function createHost(module: EmscriptenModule, backend: TfjsWasmBackend): WasmHost {
  guardHeap(module);
  const memory = Object.values(module.asm).find((value) => value instanceof WebAssembly.Memory);
  if (!(memory instanceof WebAssembly.Memory)) {
    throw new BackendError(
      "wasm: TensorFlow.js's module exports no memory. Is tfjs-backend-wasm at version 4.22.0?",
    );
  }
  const scratch = new Scratch(module);
  return {
    memory,
    address: (tensor: Tensor) => backend.dataIdMap.get(dataIdOf(tensor)).memoryOffset,
    output: (shape: readonly number[], dtype: DType) => tensorFromInfo(backend.makeOutput([...shape], dtype)),
    scratch: (bytes) => scratch.reserve(bytes),
    async compile(source) {
      const build = (await relaxedSimd()) ? await source.relaxed() : await source.simd();
      return WebAssembly.compile(fromBase64(build.default));
    },
    instantiate(kernels) {
      return new WebAssembly.Instance(kernels, { env: { memory } }).exports as WasmKernels;
    },
    parallel(kernels, fn, tasks, ...args) {
      kernels[fn]?.(...args, 0, tasks); // one thread takes all
    },
  };
}
