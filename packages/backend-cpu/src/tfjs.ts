// The one file that casts between TensorFlow.js's cpu backend and our view of it.
import type { TensorInfo } from "@corenet/tensor/host";
import {
  engine,
  findBackend,
  getKernel,
  type KernelBackend,
  registerBackend,
  registerKernel,
} from "@tensorflow/tfjs-core";

/** What we use of TensorFlow.js's backend object. */
export interface TfjsCpuBackend {
  readonly data: { get(dataId: object): { values: Float32Array | Int32Array } };
  makeTensorInfo(shape: number[], dtype: string, values: Float32Array | Int32Array): TensorInfo;
}

export function tfjsBackend(): TfjsCpuBackend {
  return findBackend("cpu") as object as TfjsCpuBackend;
}

/**
 * Registers TensorFlow.js's backend and the kernels that our ops run. What an app has registered itself, for ops of
 * TensorFlow.js's own, stays.
 */
export async function registerTfjs(): Promise<void> {
  const { Backend, kernels } = await import("./generated/tfjs-cpu.ts");
  if (!engine().registryFactory.cpu)
    registerBackend("cpu", () => new Backend() as object as KernelBackend, 1);
  for (const kernel of kernels) {
    if (!getKernel(kernel.kernelName, "cpu")) registerKernel(kernel as Parameters<typeof registerKernel>[0]);
  }
}
