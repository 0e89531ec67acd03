import { expRow, maxRow, scaleRow } from "../../tensor/assembly/math";

/** y [rows, D] = softmax of x over each row, for rows [begin, end); y may be x. */
export function softmaxRows(x: usize, D: i32, y: usize, begin: i32, end: i32): void {
  for (let r = <usize>begin; r < <usize>end; r++) {
    const row = x + (r * <usize>D << 2);
    const to = y + (r * <usize>D << 2);
    const sum = expRow(row, D, 1, maxRow(row, D), to);
    scaleRow(to, D, <f32>(1 / sum));
  }
}
