// The one file that casts between TensorFlow.js's WebAssembly backend and our view of it.
import { engine, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
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

/** Registers TensorFlow.js's kernels, and its backend over a module that we started. */
export async function createTfjsBackend(module: EmscriptenModule): Promise<TfjsWasmBackend> {
  const { BackendWasm } = await import("@tensorflow/tfjs-backend-wasm");
  const backend = new BackendWasm(module as unknown as ConstructorParameters<typeof BackendWasm>[0]);
  if (engine().registryFactory.wasm) removeBackend("wasm");
  registerBackend("wasm", () => backend, 2);
  return backend as unknown as TfjsWasmBackend;
}
