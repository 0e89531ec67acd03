import { decodeBfloat16, decodeFloat16 } from "@corenet/core";
import { tensor } from "../../ops/create.ts";
import { gather } from "../../ops/gather.ts";
import { matMul } from "../../ops/mat-mul.ts";
import { readTensorSync } from "../../raw.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import type { HalfMatMulAttrs, HalfMatrixAttrs, Payload } from "./op.ts";

export function halfRowsReference([payload, ids]: [Payload, Tensor1D], attrs: HalfMatrixAttrs): [Tensor2D] {
  return [gather(unpack(payload, attrs), ids) as Tensor2D];
}

export function halfMatMulReference([x, payload]: [Tensor, Payload], attrs: HalfMatMulAttrs): [Tensor] {
  return [matMul(x, unpack(payload, attrs), { transposeB: !attrs.transpose })];
}

/** The whole matrix [rows, columns] as float32. There are no ops on bits, so the numbers are made here. */
function unpack(payload: Payload, { format, rows, columns }: HalfMatrixAttrs): Tensor2D {
  const words = readTensorSync(payload);
  const halves = new Uint16Array(words.buffer, words.byteOffset, rows * columns);
  return tensor(format === "f16" ? decodeFloat16(halves) : decodeBfloat16(halves), [rows, columns]);
}
