import { type BlockRun, blockSpan, isShared } from "./block-run.ts";
import type { BlockGrid } from "./lfsr-tensor.ts";

/** An importance counts for at least this part of the largest in its block, so that every basis can be fitted. */
const importanceFloor = 2 ** -10;

/**
 * The importances of one block as the search takes them: raised to the floor; padding gets the mean of the others, so
 * that importances of one change nothing; ones where all are 0.
 *
 * @param raw - importances of the block's weights, 1 to C of them
 * @param into - where they go [C]
 */
function prepareImportance(raw: ArrayLike<number>, into: Float64Array): void {
  let largest = 0;
  let sum = 0;
  for (let c = 0; c < raw.length; c++) largest = Math.max(largest, raw[c] as number);
  if (largest === 0) {
    into.fill(1);
    return;
  }
  for (let c = 0; c < raw.length; c++) {
    const h = Math.max(raw[c] as number, largest * importanceFloor);
    into[c] = h;
    sum += h;
  }
  into.fill(sum / raw.length, raw.length);
}

/** How importances lie over a tensor: one per weight, or one per column for all rows. */
export interface Importance {
  readonly values: ArrayLike<number>;
  readonly perColumn: boolean;
}

/**
 * Tells the two forms apart by their length, and checks the numbers.
 *
 * @throws RangeError when the length is neither, or a number is not in [0, 1e30]
 */
export function checkImportance(
  name: string,
  values: ArrayLike<number>,
  { size, cols }: BlockGrid,
): Importance {
  if (values.length !== size && values.length !== cols) {
    throw new RangeError(
      `encodeTensor: the importance of ${name} has ${values.length} numbers, expected ${size}, one per weight, or ${cols}, one per ` +
        "column. Pass the mean square of each input, for example.",
    );
  }
  for (let i = 0; i < values.length; i++) {
    const h = values[i] as number;
    if (h >= 0 && h <= 1e30) continue;
    throw new RangeError(
      `encodeTensor: importance[${i}] of ${name} is ${h}, expected a number in [0, 1e30]. Scale them.`,
    );
  }
  return { values, perColumn: values.length === cols };
}

/** Importances for the search: one for all blocks of a run [C], or one each [n, C]. */
export function batchImportance(
  importance: Importance,
  grid: BlockGrid,
  { first, stride, n }: BlockRun,
): Float64Array<ArrayBuffer> {
  const { C } = grid;
  const prepared = new Float64Array((isShared(importance, grid) ? 1 : n) * C);
  for (let at = 0, block = first; at < prepared.length; at += C, block += stride) {
    const { start, count } = blockSpan(grid, block);
    prepareImportance(importanceOf(importance, grid, start, count), prepared.subarray(at, at + C));
  }
  return prepared;
}

/** Importances of `count` weights from the flat index `start` on. */
export function importanceOf(
  { values, perColumn }: Importance,
  { cols }: BlockGrid,
  start: number,
  count: number,
): number[] {
  return Array.from(
    { length: count },
    (_, c) => values[perColumn ? (start + c) % cols : start + c] as number,
  );
}
