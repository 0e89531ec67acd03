import type { ParallelWork, PerThread, WasmHost, WasmKernels } from "@corenet/tensor";
import type { TensorInfo } from "@corenet/tensor/host";
import type { TfjsWasmBackend } from "../tfjs.ts";

export type Inputs = Record<string, TensorInfo>;
export type Attrs = Record<string, unknown>;
/** The kernel of TensorFlow.js in whose place ours stands, for the cases that it does right. */
export type StockKernel = (inputs: Inputs, attrs: Attrs) => TensorInfo;

/** What a replaced kernel computes with. */
export class KernelContext {
  readonly host: WasmHost;
  readonly kernels: WasmKernels;
  readonly backend: TfjsWasmBackend;

  constructor(host: WasmHost, kernels: WasmKernels, backend: TfjsWasmBackend) {
    this.host = host;
    this.kernels = kernels;
    this.backend = backend;
  }

  /** One of our compiled functions, by name. */
  run(name: string, ...args: number[]): number {
    const kernel = this.kernels[name];
    if (!kernel)
      throw new TypeError(`wasm: the kernel module has no "${name}". Build it again: npm run build.`);
    return kernel(...args);
  }

  /** One of our compiled functions over a range of tasks. */
  parallel(name: string, work: ParallelWork, ...args: (number | PerThread)[]): void {
    this.host.parallel(this.kernels, name, work, ...args);
  }

  address(info: TensorInfo): number {
    return this.backend.dataIdMap.get(info.dataId).memoryOffset;
  }

  /** Memory for a result, NOT zeroed. */
  output(shape: readonly number[], dtype: string): TensorInfo {
    return this.backend.makeOutput([...shape], dtype);
  }

  /** A tensor over the memory of another. */
  share(info: TensorInfo, shape: readonly number[]): TensorInfo {
    this.backend.incRef(info.dataId);
    return { dataId: info.dataId, shape: [...shape], dtype: info.dtype };
  }
}

/** Elements that are worth a part of their own: some ten microseconds of moving memory. */
const GRAIN_ELEMENTS = 16_384;

/** The work of a kernel over `tasks` ranges of `elements` each. */
export const workOf = (tasks: number, elements = 1): ParallelWork => ({
  tasks,
  grain: Math.max(1, Math.ceil(GRAIN_ELEMENTS / elements)),
});

export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, side) => product * side, 1);
export const bytesOf = (dtype: string): number => (dtype === "bool" ? 1 : 4);
