import { currentBackend, type WasmHost } from "./backend.ts";
import { checkDType } from "./check.ts";
import { engineMemory, isTensor, keepTensor, readTensor, tidyScope } from "./raw.ts";
import type { DataOf, DType, Tensor } from "./types.ts";

/**
 * Runs `compute` and frees every tensor it made, except those in its result (a tensor, or arrays and plain
 * objects of them). What `compute` was given stays untouched. On a throw everything is freed.
 *
 * @throws TypeError when `compute` returns a promise: tensors made after its first `await` would leak
 */
export function tidy<T>(compute: () => T): T {
  return tidyScope(() => {
    const result = compute();
    if (result instanceof Promise) {
      result.catch(() => {}); // the error below says it all
      throw new TypeError(
        "tidy: got a promise, expected a plain result. Compute inside tidy, read outside it.",
      );
    }
    return result;
  });
}

/** Takes a tensor out of every `tidy` around: its owner alone frees it. */
export function keep<T extends Tensor>(tensor: T): T {
  return keepTensor(tensor);
}

/**
 * Reads a tensor into a typed array of the caller's own, and leaves the tensor alive.
 *
 * @param dtype - what the caller expects, `float32` where nothing is said
 * @throws TypeError when the tensor has another dtype or was disposed
 */
export async function readData<D extends DType = "float32">(
  tensor: Tensor,
  dtype: D = "float32" as D,
): Promise<DataOf[D]> {
  checkDType("readData: tensor", tensor, dtype);
  const host = currentBackend()?.wasm;
  if (host) return fromHeap(host, tensor, dtype) as DataOf[D];
  const values = await readTensor(tensor);
  return values.slice() as DataOf[D]; // the backend may keep what it gave
}

/** One copy, in place of the two through TensorFlow.js. */
function fromHeap(host: WasmHost, tensor: Tensor, dtype: DType): DataOf[DType] {
  const { buffer } = host.memory;
  const address = host.address(tensor);
  if (dtype === "float32") return new Float32Array(buffer, address, tensor.size).slice();
  if (dtype === "int32") return new Int32Array(buffer, address, tensor.size).slice();
  return new Uint8Array(buffer, address, tensor.size).slice();
}

/** Reads a tensor and disposes it, also when reading fails. See `readData`. */
export async function takeData<D extends DType = "float32">(
  tensor: Tensor,
  dtype: D = "float32" as D,
): Promise<DataOf[D]> {
  try {
    return await readData(tensor, dtype);
  } finally {
    if (isTensor(tensor)) tensor.dispose();
  }
}

/** Tensors alive now, and their bytes: equal before and after a piece of code that leaks nothing. */
export function memory(): { numTensors: number; numBytes: number } {
  return engineMemory();
}
