import { decodeBfloat16, decodeFloat16 } from "@corenet/core";
import type { Dtype, TensorData } from "./dtype.ts";

/**
 * What `read` gave, as float32. F32 comes back as it is, not copied; F16 and BF16 are exact; F64 and integers round.
 *
 * @throws TypeError when `data` does not hold `dtype`
 */
export function toFloat32(dtype: Dtype, data: TensorData): Float32Array {
  if (data instanceof Float32Array && dtype === "F32") return data;
  if (data instanceof Uint16Array && dtype === "F16") return decodeFloat16(data);
  if (data instanceof Uint16Array && dtype === "BF16") return decodeBfloat16(data);
  if (dtype === "F32" || dtype === "F16" || dtype === "BF16") {
    throw new TypeError(
      `toFloat32: data is ${data.constructor.name}, expected the array of ${dtype}. Pass what read(name) gave.`,
    );
  }
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float32Array.from(data, Number);
  return new Float32Array(data);
}
