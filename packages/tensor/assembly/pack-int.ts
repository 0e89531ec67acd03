// Panels of B for the packed product, out of 8 or 4 bits. The numbers are those of `decodeRun`, so a packed product
// adds no error to what the matrix stands for.

import { DECODE_ROOM, decodeRun } from "./int-format";
import { packB } from "./pack";

/** Bytes of room that `packInt` needs for a block of `cols` columns and `depth` steps. */
export function packIntRoom(cols: i32, depth: i32): usize {
  return (<usize>(cols * depth) << 2) + DECODE_ROOM;
}

/** Packs a block of B, stored as [rows, columns] in `groups` groups a row: columns [n, n + cols), of which n begins a group, steps [k, k + depth). */
export function packInt(
  format: i32, quants: usize, scales: usize, rows: i32, groups: i32,
  n: i32, k: i32, cols: i32, depth: i32, dst: usize, room: usize,
): void {
  const block = room + DECODE_ROOM;
  for (let i = 0; i < depth; i++) {
    const to = block + (<usize>(i * cols) << 2);
    decodeRun(format, quants, scales, rows, groups, k + i, n, cols, to, room);
  }
  packB(0, 0, block, cols, cols, depth, dst);
}
