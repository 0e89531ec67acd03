import { encodeBfloat16, encodeFloat16 } from "@corenet/core";
import { quantizeRows } from "@corenet/core/quantize";
import { checkDType, checkShape } from "./check.ts";
import { DenseMatrix } from "./dense-matrix.ts";
import { HalfMatrix } from "./half-matrix.ts";
import { IntMatrix } from "./int-matrix.ts";
import { readData } from "./memory.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import type { Tensor2D } from "./types.ts";

export type MatrixFormat = "f32" | "f16" | "bf16" | "int8" | "int4";

/**
 * A weight matrix in a storage format: `f16` keeps 11 significant bits up to 65504, `bf16` 8 bits over the range of
 * float32; both round to the nearest. `int8` and `int4` keep 32 neighbours of a row as integers with a common scale, so that
 * a number is off by at most 0.45 % or 12.6 % of the largest of its group (typically a third of that): see `quantizeRows`
 * of @corenet/core, and `packingError` for what it cost.
 *
 * @param matrix - float32 [out, in]; borrowed
 * @throws FormatError when a number is too large for f16, or is not finite; RangeError for int8 and int4
 */
export async function packMatrix(matrix: Tensor2D, format: MatrixFormat): Promise<PackedMatrix> {
  checkDType("packMatrix: matrix", matrix, "float32");
  checkShape("packMatrix: matrix", matrix, [null, null], "A weight matrix has rows and columns.");
  if (format === "f32") return new DenseMatrix(matrix);
  if (!["f16", "bf16", "int8", "int4"].includes(format)) {
    throw new RangeError(
      `packMatrix: the format is ${String(format)}, expected f32, f16, bf16, int8 or int4.`,
    );
  }
  const values = await readData(matrix);
  if (format === "int8" || format === "int4") {
    const [rows, columns] = matrix.shape;
    return IntMatrix.create(quantizeRows(values, { rows, columns, format }));
  }
  const bits = format === "f16" ? encodeFloat16(values) : encodeBfloat16(values);
  return HalfMatrix.create(bits, matrix.shape, format);
}
