// The one file that casts between TensorFlow.js's cpu backend and our view of it.
import type { TensorInfo } from "@corenet/tensor/host";
import { findBackend } from "@tensorflow/tfjs-core";

/** What we use of TensorFlow.js's backend object. */
export interface TfjsCpuBackend {
  readonly data: { get(dataId: object): { values: Float32Array | Int32Array } };
  makeTensorInfo(shape: number[], dtype: string, values: Float32Array | Int32Array): TensorInfo;
}

export function tfjsBackend(): TfjsCpuBackend {
  return findBackend("cpu") as object as TfjsCpuBackend;
}
