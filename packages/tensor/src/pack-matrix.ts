import { encodeBfloat16, encodeFloat16 } from "@corenet/core";
import { checkDType, checkShape } from "./check.ts";
import { DenseMatrix } from "./dense-matrix.ts";
import { HalfMatrix } from "./half-matrix.ts";
import { readData } from "./memory.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import type { Tensor2D } from "./types.ts";

export type MatrixFormat = "f32" | "f16" | "bf16";

/**
 * A weight matrix in a storage format: `f16` keeps 11 significant bits up to 65504, `bf16` 8 bits over the range of
 * float32; both round to the nearest.
 *
 * @param matrix - float32 [out, in]; borrowed
 * @throws FormatError when a number is too large for f16, or is not finite
 */
export async function packMatrix(matrix: Tensor2D, format: MatrixFormat): Promise<PackedMatrix> {
  checkDType("packMatrix: matrix", matrix, "float32");
  checkShape("packMatrix: matrix", matrix, [null, null], "A weight matrix has rows and columns.");
  if (format === "f32") return new DenseMatrix(matrix);
  if (format !== "f16" && format !== "bf16") {
    throw new RangeError(`packMatrix: the format is ${String(format)}, expected f32, f16 or bf16.`);
  }
  const values = await readData(matrix);
  const bits = format === "f16" ? encodeFloat16(values) : encodeBfloat16(values);
  return HalfMatrix.create(bits, matrix.shape, format);
}
