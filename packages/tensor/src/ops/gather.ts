// Rows by number, and their gradient.
import { ShapeError } from "@corenet/core";
import { valuesAtOnce } from "../backend.ts";
import { checkDType, formatShape } from "../check.ts";
import { runKernel } from "../raw.ts";
import { record } from "../tape.ts";
import type { Tensor } from "../types.ts";

/**
 * Throws unless every id lies in [0, count) or is `ignore`. Where ids cannot be read at once, because a GPU computed
 * them, it checks nothing, and the GPU's kernels report at the next read.
 *
 * @returns how many ids are not ignored; undefined where they cannot be read at once
 * @throws RangeError naming the first id outside, and where it stands
 */
export function checkIds(
  who: string,
  ids: Tensor,
  count: number,
  options: { ignore?: number } = {},
): number | undefined {
  checkDType(who, ids, "int32");
  const values = valuesAtOnce(ids);
  if (!values) return undefined;
  let counted = 0;
  for (let i = 0; i < values.length; i++) {
    const id = values[i] as number;
    if (id === options.ignore) continue;
    counted++;
    if (id >= 0 && id < count) continue;
    const place = ids.shape.map((_, axis) => {
      const inner = ids.shape.slice(axis + 1).reduce((product, side) => product * side, 1);
      return Math.floor(i / inner) % (ids.shape[axis] as number);
    });
    throw new RangeError(`${who}[${place.join(", ")}] is ${id}, expected an integer in [0, ${count}).`);
  }
  return counted;
}

/**
 * Rows of `table` by their ids: [N, ...row] and [...] to [..., ...row].
 *
 * @param ids - int32, each in [0, N)
 * @param options - `who` names the ids in the error
 * @throws RangeError naming the first id outside the table
 */
export function gather(table: Tensor, ids: Tensor, options: { who?: string } = {}): Tensor {
  checkDType("gather: table", table, "float32", "int32");
  if (table.rank === 0)
    throw new ShapeError("gather: table is a scalar, expected rows along its first axis.");
  const row = table.shape.slice(1);
  const rows = table.shape[0] as number;
  checkIds(options.who ?? "gather: ids", ids, rows);
  const shape = [...ids.shape, ...row];
  return record(
    "gather",
    [table, ids],
    () => {
      const flat = runKernel("Reshape", { x: ids }, { shape: [ids.size] });
      const picked = runKernel("GatherV2", { x: table, indices: flat }, { axis: 0, batchDims: 0 });
      return runKernel("Reshape", { x: picked }, { shape });
    },
    ({ save }) => {
      const kept = save(ids);
      return ([dy]) => {
        if (!dy) return [];
        const flatIds = runKernel("Reshape", { x: kept }, { shape: [kept.size] });
        const flat = runKernel("Reshape", { x: dy }, { shape: [kept.size, ...row] });
        return [runKernel("UnsortedSegmentSum", { x: flat, segmentIds: flatIds }, { numSegments: rows })];
      };
    },
  );
}

/**
 * Adds up rows that carry the same id: the gradient of `gather`, as an op.
 *
 * @param rows - [n, ...row]
 * @param ids - int32 [n], each in [0, count)
 * @returns [count, ...row], zero where no row came
 * @throws ShapeError when there is not one id for each row
 */
export function segmentSum(rows: Tensor, ids: Tensor, count: number): Tensor {
  checkDType("segmentSum: rows", rows, "float32");
  checkDType("segmentSum: ids", ids, "int32");
  if (ids.rank !== 1 || ids.shape[0] !== rows.shape[0]) {
    throw new ShapeError(
      `segmentSum: ids has shape ${formatShape(ids.shape)}, expected one for each row of ${formatShape(rows.shape)}.`,
    );
  }
  checkIds("segmentSum: ids", ids, count);
  return record(
    "segmentSum",
    [rows, ids],
    () => runKernel("UnsortedSegmentSum", { x: rows, segmentIds: ids }, { numSegments: count }),
    ({ save }) => {
      const kept = save(ids);
      return ([dy]) => [dy && runKernel("GatherV2", { x: dy, indices: kept }, { axis: 0, batchDims: 0 })];
    },
  );
}

/**
 * 1 at each id and 0 elsewhere, as float32: [...] to [..., depth]. An id outside [0, depth) gives zeros.
 */
export function oneHot(ids: Tensor, depth: number): Tensor {
  checkDType("oneHot: ids", ids, "int32");
  if (!Number.isInteger(depth) || depth < 1) {
    throw new RangeError(
      `oneHot: depth is ${depth}, expected a positive integer. Pass the number of classes.`,
    );
  }
  return record(
    "oneHot",
    [ids],
    () => {
      const flat = runKernel("Reshape", { x: ids }, { shape: [ids.size] });
      const hot = runKernel("OneHot", { indices: flat }, { depth, onValue: 1, offValue: 0, dtype: "int32" });
      const floats = runKernel("Cast", { x: hot }, { dtype: "float32" }); // wasm writes integers whatever the dtype
      return runKernel("Reshape", { x: floats }, { shape: [...ids.shape, depth] });
    },
    () => () => [],
  );
}
