import { gather, matMul, type Tensor1D, type Tensor2D, tensor } from "@corenet/tensor";
import { readTensorSync } from "@corenet/tensor/host";
import { decodeTensor } from "../../codec/decode.ts";
import { unpackPayload } from "../payload.ts";
import type { LfsrAttrs, LfsrMatMulAttrs, Payload } from "./op.ts";

export function lfsrRowsReference([payload, ids]: [Payload, Tensor1D], attrs: LfsrAttrs): [Tensor2D] {
  return [gather(decode(payload, attrs), ids, { who: "unpackRows: ids" }) as Tensor2D];
}

export function lfsrMatMulReference([x, payload]: [Tensor2D, Payload], attrs: LfsrMatMulAttrs): [Tensor2D] {
  return [matMul(x, decode(payload, attrs), { transposeB: !attrs.transpose })];
}

/** The whole matrix [rows, columns] as float32. There are no ops on bits, so the numbers are made here. */
function decode(payload: Payload, { rows, columns }: LfsrAttrs): Tensor2D {
  const words = readTensorSync(payload) as Int32Array<ArrayBuffer>;
  return tensor(decodeTensor(unpackPayload(words)), [rows, columns]);
}
