// Products with matrices of 8 or 4 bits. Against the rows of B, those of A are rounded to integers themselves
// (round-rows.ts), which spares making floats of B, and what a row of C gets depends neither on how many rows there are
// nor on which columns are computed with it. Against the columns, A meets the numbers of B as they are.

import { blockColumns, blockDepth, blockedProduct, blockedScratchBytes } from "./gemm";
import { GROUP, groupShift, INT4, INT8, QUAD } from "./int-format";
import { quadDots } from "./int-quads";
import { intTile, packNothing, packQuad, panelGroupBytes, TILE_BYTES, TILE_COLS, TILE_ROWS } from "./int-tiles";
import { packIntRoom } from "./pack-int";
import { groupsOf, roundedStride } from "./round-rows";

/** Up to how many rows B is not put in panels. */
// @ts-ignore: decorator
@inline
const FEW: i32 = 3;

/** Bytes of a quad. */
// @ts-ignore: decorator
@inline
function quadBytes(format: i32, groups: i32): usize {
  return <usize>(groups * QUAD) << groupShift(format);
}

/** Bytes of scratch that `intRowParts` needs, for each thread. */
export function intRowScratchBytes(format: i32, K: i32): usize {
  const groups = groupsOf(K);
  const loose = quadBytes(format, groups) + (<usize>(groups * QUAD) << 1);
  return TILE_BYTES + loose + <usize>groups * panelGroupBytes(format);
}

/** The last rows of B, fewer than four, as a quad with rows of zeros: quants at dst, scales behind them. */
function packLoose(format: i32, count: i32, groups: i32, quants: usize, scales: usize, dst: usize): void {
  const words = <usize>1 << (groupShift(format) - 2);
  const to = dst + quadBytes(format, groups);
  for (let g = <usize>0; g < <usize>groups; g++) {
    for (let row = <usize>0; row < <usize>QUAD; row++) {
      const isRow = row < <usize>count;
      const from = row * <usize>groups + g;
      for (let word = <usize>0; word < words; word++) {
        const at = (g * words + word) * QUAD + row;
        store<u32>(dst + (at << 2), isRow ? load<u32>(quants + ((from * words + word) << 2)) : 0);
      }
      store<u16>(to + ((g * QUAD + row) << 1), isRow ? load<u16>(scales + (from << 1)) : 0);
    }
  }
}

/** Copies the first rows and columns of a tile to C. */
function putTile(tile: usize, rows: i32, cols: i32, c: usize, stride: usize): void {
  for (let i = 0; i < rows; i++) {
    if (cols == TILE_COLS) {
      v128.store(c, v128.load(tile));
      v128.store(c, v128.load(tile, 16), 16);
    } else {
      memory.copy(c, tile, <usize>cols << 2);
    }
    tile += TILE_COLS * 4;
    c += stride;
  }
}

/** C [rows, cols] = A·Bᵀ for rounded rows of A at x, `xStride` apart, and B whose last cols % 4 rows are not in quads. */
function roundedProduct(
  format: i32, rows: i32, cols: i32, K: i32, x: usize, xStride: usize, q: usize, s: usize, c: usize, stride: usize,
  scratch: usize,
): void {
  const groups = groupsOf(K);
  const quads = cols / QUAD, left = cols % QUAD;
  const bytes = quadBytes(format, groups), scaleBytes = <usize>(groups * QUAD) << 1;
  const loose = scratch + TILE_BYTES, panel = loose + bytes + scaleBytes;
  if (left > 0) packLoose(format, left, groups, q + <usize>quads * bytes, s + <usize>quads * scaleBytes, loose);
  if (rows <= FEW) {
    for (let m = 0; m < rows; m++) {
      quadDots(format, quads, groups, x, q, s, c);
      if (left > 0) {
        quadDots(format, 1, groups, x, loose, loose + bytes, scratch);
        memory.copy(c + (<usize>(quads * QUAD) << 2), scratch, <usize>left << 2);
      }
      x += xStride;
      c += stride;
    }
    return;
  }
  const all = quads + i32(left > 0);
  for (let quad = 0; quad < all; quad += 2) {
    for (let half = 0; half < 2; half++) {
      const at = quad + half;
      if (at < quads) packQuad(format, groups, q + <usize>at * bytes, s + <usize>at * scaleBytes, half, panel);
      else if (at < all) packQuad(format, groups, loose, loose + bytes, half, panel);
      else packNothing(format, groups, half, panel);
    }
    const to = c + (<usize>(quad * QUAD) << 2);
    for (let m = 0; m < rows; m += TILE_ROWS) {
      const last = rows - 1; // rows beyond it are computed as it, and dropped
      const x0 = x + <usize>m * xStride, x1 = x + <usize>min(m + 1, last) * xStride;
      const x2 = x + <usize>min(m + 2, last) * xStride, x3 = x + <usize>min(m + 3, last) * xStride;
      intTile(format, groups, x0, x1, x2, x3, panel, scratch);
      putTile(scratch, min(TILE_ROWS, rows - m), min(TILE_COLS, cols - quad * QUAD), to + <usize>m * stride, stride);
    }
  }
}

/**
 * Parts [begin, end) of C [M, N] = A·Bᵀ with B [N, K], A being M rows that `roundRows` wrote to x: as `gemmParts`, a part
 * of columns having a multiple of four. scratch: intRowScratchBytes(format, K), one for each thread.
 */
export function intRowParts(
  format: i32, M: i32, N: i32, K: i32, x: usize, quants: usize, scales: usize, c: usize, scratch: usize,
  byColumns: i32, size: i32, begin: i32, end: i32,
): void {
  const from = begin * size;
  const to = min(end * size, byColumns ? N : M);
  if (from >= to) return;
  const xStride = <usize>roundedStride(format, K), stride = <usize>N << 2;
  if (!byColumns) {
    roundedProduct(
      format, to - from, N, K, x + <usize>from * xStride, xStride, quants, scales, c + <usize>from * stride, stride, scratch,
    );
    return;
  }
  const first = <usize>from * <usize>groupsOf(K);
  const q = quants + (first << groupShift(format)), s = scales + (first << 1);
  roundedProduct(format, M, to - from, K, x, xStride, q, s, c + (<usize>from << 2), stride, scratch);
}

/** Bytes of scratch that `intColumnParts` needs, for each thread. */
export function intColumnScratchBytes(M: i32, N: i32, K: i32): usize {
  return blockedScratchBytes(M, N, K) + packIntRoom(blockColumns(N), blockDepth(K));
}

/**
 * Parts [begin, end) of C [M, N] = A·B, A being f32 [M, K] without gaps and B [K, N]: as `gemmParts`, a part of columns
 * having a multiple of 32. scratch: intColumnScratchBytes(M, N, K), one for each thread.
 */
export function intColumnParts(
  format: i32, M: i32, N: i32, K: i32, a: usize, quants: usize, scales: usize, c: usize, scratch: usize,
  byColumns: i32, size: i32, begin: i32, end: i32,
): void {
  const from = begin * size;
  const to = min(end * size, byColumns ? N : M);
  if (from >= to) return;
  const rows = byColumns ? M : to - from, firstRow = byColumns ? 0 : from;
  const cols = byColumns ? to - from : N, firstCol = byColumns ? from : 0;
  a += <usize>firstRow * <usize>K << 2;
  c += (<usize>firstRow * <usize>N + <usize>firstCol) << 2;
  const groups = groupsOf(N);
  blockedProduct(true, format, 0, 0, rows, cols, K, a, K, quants, groups, scales, firstCol, c, N, 1, 0, scratch);
}
