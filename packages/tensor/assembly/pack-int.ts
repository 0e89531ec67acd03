// Panels of B for the packed product, out of 8 or 4 bits. The numbers are those of `decodeGroup`, so a packed product
// adds no error to what the matrix stands for.

import { decodeGroup, decodeRun, GROUP, groupShift, scaleAt } from "./int-format";
import { packB, panelOfRows8 } from "./pack";

/** Bytes of room that `packInt` needs for a block of `cols` columns and `depth` steps. */
export function packIntRoom(transB: i32, cols: i32, depth: i32): usize {
  return transB ? 8 * GROUP * 4 : (<usize>(cols * depth) << 2) + GROUP * 4;
}

/**
 * Packs a block of op(B): columns [n, n + cols), steps [k, k + depth). Transposed, B is [N, K] and k begins a group;
 * else it is [K, N] and n does. `groups`: of a stored row.
 */
export function packInt(
  format: i32, transB: i32, quants: usize, scales: usize, groups: i32,
  n: i32, k: i32, cols: i32, depth: i32, dst: usize, room: usize,
): void {
  if (!transB) {
    const block = room + GROUP * 4;
    for (let i = 0; i < depth; i++) {
      const row = <usize>(k + i) * <usize>groups;
      const to = block + (<usize>(i * cols) << 2);
      decodeRun(format, quants + (row << groupShift(format)), scales + (row << 1), n, cols, to, room);
    }
    packB(0, 0, block, cols, cols, depth, dst);
    return;
  }
  const panelBytes = <usize>(8 * (depth + (depth & 1))) << 2;
  for (let j = 0; j < cols; j += 8) {
    const rows = min(8, cols - j);
    for (let i = 0; i < depth; i += GROUP) {
      for (let r = 0; r < rows; r++) {
        const group = <usize>(n + j + r) * <usize>groups + <usize>((k + i) / GROUP);
        decodeGroup(format, quants + (group << groupShift(format)), scaleAt(scales, group), room + (<usize>r << 7));
      }
      panelOfRows8(0, room, GROUP * 4, rows, min(GROUP, depth - i), dst + (<usize>i << 5));
    }
    dst += panelBytes;
  }
}
