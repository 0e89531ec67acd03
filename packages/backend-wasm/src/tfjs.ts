// The one file that casts between TensorFlow.js's WebAssembly backend and our view of it.
import { BackendError } from "@corenet/core";
import {
  engine,
  getKernel,
  getKernelsForBackend,
  type KernelBackend,
  registerBackend,
  registerKernel,
  removeBackend,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import type { EmscriptenModule } from "./emscripten.ts";

/** Where a tensor's data lies on the heap. */
export interface HeapEntry {
  readonly id: number;
  readonly memoryOffset: number;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** What we use of TensorFlow.js's backend object. */
export interface TfjsWasmBackend {
  readonly dataIdMap: { get(dataId: object): HeapEntry };
  makeOutput(shape: number[], dtype: string): TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
}

export interface TensorInfo {
  readonly dataId: object;
  readonly shape: number[];
  readonly dtype: string;
}

/** TensorFlow.js's backend class, and the kernels that our ops run. */
export const loadTfjsKernels = (): Promise<typeof import("./generated/tfjs-wasm.ts")> =>
  import("./generated/tfjs-wasm.ts");

/**
 * Registers the kernels of TensorFlow.js that our ops run, and its backend over a module that we started. Kernels that an
 * app has registered itself, for ops of TensorFlow.js's own, stay.
 */
export async function createTfjsBackend(module: EmscriptenModule): Promise<TfjsWasmBackend> {
  const { Backend, kernels } = await loadTfjsKernels();
  const backend = new Backend(module);
  if (engine().registryFactory.wasm) removeBackend("wasm");
  registerBackend("wasm", () => backend as object as KernelBackend, 2);
  for (const kernel of kernels) {
    if (!getKernel(kernel.kernelName, "wasm")) registerKernel(kernel as Parameters<typeof registerKernel>[0]);
  }
  return backend as object as TfjsWasmBackend;
}

/**
 * Takes the backend out of TensorFlow.js, with all kernels of its name. Its tensors are gone: what reads one says so, and
 * disposing one does nothing.
 */
export function removeTfjsBackend(backend: TfjsWasmBackend): void {
  const gone = {
    has: () => false,
    get() {
      throw new BackendError(
        "wasm: the heap of this tensor was disposed, and the tensor with it. Read what you need before dispose().",
      );
    },
    numDataIds: () => 0,
  };
  if (engine().registryFactory.wasm) removeBackend("wasm");
  for (const { kernelName } of getKernelsForBackend("wasm")) unregisterKernel(kernelName, "wasm");
  Object.assign(backend, { dataIdMap: gone });
}
