// Rows of a matrix in half precision, as floats.

import { fieldsOf, load1, load4, scaleOf, shiftOf } from "./format";

/** dst [ids, cols] f32 = rows ids[i] of src [rows, cols] in `format` (0 f32, 1 f16, 2 bf16), for i in [begin, end); ids i32. */
export function decodeRows(format: i32, src: usize, ids: usize, cols: i32, dst: usize, begin: i32, end: i32): void {
  const shift = shiftOf(format);
  const fields = fieldsOf(format), scale = scaleOf(format);
  for (let i = <usize>begin; i < <usize>end; i++) {
    const row = src + (<usize>load<i32>(ids + (i << 2)) * <usize>cols << shift);
    const to = dst + (i * <usize>cols << 2);
    let j = 0;
    for (; j + 4 <= cols; j += 4) v128.store(to + (<usize>j << 2), load4(format, row + (<usize>j << shift), fields, scale));
    for (; j < cols; j++) store<f32>(to + (<usize>j << 2), load1(format, row + (<usize>j << shift)));
  }
}
