import { dequantizeRows } from "@corenet/core/quantize";
import { tensor } from "../../ops/create.ts";
import { gather } from "../../ops/gather.ts";
import { matMul } from "../../ops/mat-mul.ts";
import { readTensorSync } from "../../raw.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import type { IntMatMulAttrs, IntMatrixAttrs, Quants, Scales } from "./op.ts";
import { quantizedRows } from "./quads.ts";

export function intRowsReference(
  [quants, scales, ids]: [Quants, Scales, Tensor1D],
  attrs: IntMatrixAttrs,
): [Tensor2D] {
  return [gather(unpack(quants, scales, attrs), ids, { who: "unpackRows: ids" }) as Tensor2D];
}

export function intMatMulReference(
  [x, quants, scales]: [Tensor, Quants, Scales],
  attrs: IntMatMulAttrs,
): [Tensor] {
  return [matMul(x, unpack(quants, scales, attrs), { transposeB: !attrs.transpose })];
}

/** The whole matrix [rows, columns] as float32. There are no ops on bits, so the numbers are made here. */
function unpack(quants: Quants, scales: Scales, attrs: IntMatrixAttrs): Tensor2D {
  const held = quantizedRows(readTensorSync(quants), readTensorSync(scales), attrs);
  return tensor(dequantizeRows(held), [attrs.rows, attrs.columns]);
}
