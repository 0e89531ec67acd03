import { checkShape } from "./check.ts";
import { readData, takeData } from "./memory.ts";
import { range } from "./ops/create.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import type { Tensor2D } from "./types.ts";

/** What packing cost. With W the matrix and Ŵ what it was packed to: */
export interface PackingError {
  /** max |Ŵ − W| */
  readonly largest: number;
  /** ‖Ŵ − W‖ / ‖W‖ by the Frobenius norm; 0 for zeros kept as zeros. */
  readonly relative: number;
  /** Bits that each number takes, scales included. */
  readonly bitsPerNumber: number;
}

const CHUNK = 2 ** 20; // numbers that are unpacked at a time

/**
 * How far a packed matrix is from the one that it was made of.
 *
 * @param matrix - float32 [out, in]
 * @throws ShapeError when the two differ in shape
 */
export async function packingError(matrix: Tensor2D, packed: PackedMatrix): Promise<PackingError> {
  checkShape("packingError: matrix", matrix, [...packed.shape], "Compare it with what it was packed to.");
  const [rows, columns] = packed.shape;
  const wanted = await readData(matrix);
  const step = Math.max(1, Math.floor(CHUNK / Math.max(1, columns)));
  let [largest, errors, total] = [0, 0, 0];
  for (let from = 0; from < rows; from += step) {
    const ids = range(from, Math.min(rows, from + step));
    const saw = await takeData(packed.unpackRows(ids));
    ids.dispose();
    for (let i = 0; i < saw.length; i++) {
      const value = wanted[from * columns + i] as number;
      const error = Math.abs((saw[i] as number) - value);
      largest = Math.max(largest, error);
      errors += error * error;
      total += value * value;
    }
  }
  return {
    largest,
    relative: errors === 0 ? 0 : Math.sqrt(errors / total),
    bitsPerNumber: matrix.size === 0 ? 0 : (8 * packed.byteLength) / matrix.size,
  };
}
