// Products with many vectors: the matrix is decoded a tile at a time, into the panels that the micro-kernel of gemm
// reads where that fits, else as rows.

import { blockProduct, gemmPackedB, gemmScratchBytes, packedTileBytes } from "../../tensor/assembly/gemm";
import { packA } from "../../tensor/assembly/pack";
import { madd } from "../../tensor/assembly/simd";
import { decodeScratchBytes, decodeTile } from "./decode";
import { decodePanel } from "./panel";
import {
  codesAt, columnsOf, exponentsAt, groupsOf, isFlat, kindOf, lanesOf, rowsOf, seedsAt, sizeC, sizeP,
} from "./payload";
import { fillTables } from "./stream";

/** Rows of x, columns and rows of the matrix that are packed at a time. */
// @ts-ignore: decorator
@inline
const ROWS_X: i32 = 96;
// @ts-ignore: decorator
@inline
const DEPTH: i32 = 256;
// @ts-ignore: decorator
@inline
const ROWS: i32 = 512;
/** Weights of a tile that is decoded as rows. */
// @ts-ignore: decorator
@inline
const TILE_SIZE: i32 = 65536;

// @ts-ignore: decorator
@inline
function align(address: usize): usize {
  return (address + 63) & ~63;
}

/** Groups of columns that are packed at a time: an even number of columns, near DEPTH. */
function groupsAtOnce(m: usize): i32 {
  return max(2, (DEPTH / sizeC(m)) & ~1);
}

/** Bytes of scratch that one thread needs for `lfsrMatMul` of [M, columns]. */
export function lfsrMatMulScratchBytes(m: usize, M: i32): usize {
  if (isFlat(m)) {
    const rows = tileRows(m);
    return 256 + decodeScratchBytes(m) + (<usize>rows * <usize>columnsOf(m) << 2) + gemmScratchBytes(M, rows, columnsOf(m));
  }
  const depth = <usize>(groupsAtOnce(m) * sizeC(m)) << 2;
  return 256 + decodeScratchBytes(m) + packedTileBytes() + depth * <usize>(ROWS_X + ROWS + 8);
}

/** Rows that a tile of whole rows has. */
function tileRows(m: usize): i32 {
  return max(8, min(ROWS, (TILE_SIZE / max(1, columnsOf(m))) & ~7));
}

/** out [M, rows] = x [M, columns] · Wᵀ, in the columns of out that belong to the eights [begin, end) of rows of W. */
export function lfsrMatMul(m: usize, M: i32, x: usize, out: usize, scratch: usize, begin: i32, end: i32): void {
  const last = min(rowsOf(m), 8 * end);
  fillTables(m, scratch);
  if (isFlat(m)) productOfRows(m, M, x, out, scratch, 8 * begin, last);
  else productOfPanels(m, M, x, out, scratch, 8 * begin, last);
}

function productOfPanels(m: usize, M: i32, x: usize, out: usize, scratch: usize, begin: i32, end: i32): void {
  const kind = kindOf(m), C = sizeC(m), columns = columnsOf(m), groups = groupsOf(m), lanes = <usize>lanesOf(m);
  const stride = <usize>rowsOf(m) << 2;
  const atOnce = groupsAtOnce(m);
  const tile = align(scratch + decodeScratchBytes(m));
  const panelsA = align(tile + packedTileBytes());
  const panelsB = panelsA + (<usize>(ROWS_X * atOnce * C) << 2);
  const isSmall = M <= ROWS_X; // all of x is packed at once, and a panel is multiplied while the first cache has it
  const inFours = isSmall && roundUp(M, 4) < roundUp(M, 6);
  const rowsAtOnce = isSmall ? 8 : ROWS;
  for (let group = 0; group < groups; group += atOnce) {
    const last = min(groups, group + atOnce);
    const depth = min(columns, last * C) - group * C;
    const even = depth + (depth & 1);
    const accumulate = group > 0 ? 1 : 0;
    const from = x + (<usize>(group * C) << 2);
    if (isSmall && !inFours) packA(0, from, columns, M, depth, panelsA);
    for (let row = begin; row < end; row += rowsAtOnce) {
      const rows = min(rowsAtOnce, end - row);
      // In order: what the last group of a panel has beyond the matrix is overwritten by the next panel.
      for (let i = 0; i < rows; i += 8) {
        let to = panelsB + (<usize>(i * even) << 2);
        for (let g = group; g < last; g++) {
          const block = <usize>g * lanes + <usize>(row + i);
          const exponents = (sizeP(m) & 1) == 0 ? exponentsAt(m, block) : 0;
          decodePanel(kind, m, scratch, seedsAt(m, block), codesAt(m, block), exponents, to);
          to += <usize>C << 5;
        }
        if (depth != even) memory.fill(panelsB + (<usize>(i * even + 8 * depth) << 2), 0, 32);
      }
      const to = out + (<usize>row << 2);
      if (inFours) {
        for (let t = 0; t < M; t += 4) {
          panelProduct(min(4, M - t), rows, depth, from + (<usize>t * <usize>columns << 2), columns, panelsB, to + <usize>t * stride, stride, accumulate, tile);
        }
        continue;
      }
      for (let t = 0; t < M; t += ROWS_X) {
        const count = min(ROWS_X, M - t);
        if (!isSmall) packA(0, from + (<usize>t * <usize>columns << 2), columns, count, depth, panelsA);
        blockProduct(count, rows, even, panelsA, panelsB, to + <usize>t * stride, stride, 1, accumulate, tile);
      }
    }
  }
}

/**
 * out [count, rows] = or += x [count, depth] · panel [depth, 8], for up to four vectors and eight rows. What there are
 * fewer of is computed again and not stored.
 *
 * @param tile - room for 4 x 8 numbers
 */
function panelProduct(
  count: i32, rows: i32, depth: i32, x: usize, columns: i32, panel: usize, out: usize, stride: usize, accumulate: i32,
  tile: usize,
): void {
  const xStride = <usize>columns << 2, last = <usize>(count - 1);
  let x0 = x;
  let x1 = x + min<usize>(1, last) * xStride, x2 = x + min<usize>(2, last) * xStride, x3 = x + min<usize>(3, last) * xStride;
  let a0 = f32x4.splat(0), b0 = a0, a1 = a0, b1 = a0, a2 = a0, b2 = a0, a3 = a0, b3 = a0;
  for (const end = panel + (<usize>depth << 5); panel < end; panel += 32) {
    const a = v128.load(panel), b = v128.load(panel, 16);
    let value = v128.load32_splat(x0);
    a0 = madd(value, a, a0);
    b0 = madd(value, b, b0);
    value = v128.load32_splat(x1);
    a1 = madd(value, a, a1);
    b1 = madd(value, b, b1);
    value = v128.load32_splat(x2);
    a2 = madd(value, a, a2);
    b2 = madd(value, b, b2);
    value = v128.load32_splat(x3);
    a3 = madd(value, a, a3);
    b3 = madd(value, b, b3);
    x0 += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  v128.store(tile, a0);
  v128.store(tile, b0, 16);
  v128.store(tile, a1, 32);
  v128.store(tile, b1, 48);
  v128.store(tile, a2, 64);
  v128.store(tile, b2, 80);
  v128.store(tile, a3, 96);
  v128.store(tile, b3, 112);
  for (let t = 0; t < count; t++, out += stride, tile += 32) {
    for (let i: usize = 0; i < <usize>rows << 2; i += 4) {
      const value = load<f32>(tile + i);
      store<f32>(out + i, accumulate ? load<f32>(out + i) + value : value);
    }
  }
}

// @ts-ignore: decorator
@inline
function roundUp(n: i32, to: i32): i32 {
  return ((n + to - 1) / to) * to;
}

function productOfRows(m: usize, M: i32, x: usize, out: usize, scratch: usize, begin: i32, end: i32): void {
  const kind = kindOf(m), columns = columnsOf(m);
  const atOnce = tileRows(m);
  const tile = align(scratch + decodeScratchBytes(m));
  const rest = align(tile + (<usize>atOnce * <usize>columns << 2));
  for (let row = begin; row < end; row += atOnce) {
    const rows = min(atOnce, end - row);
    decodeTile(kind, m, scratch, row, rows, 0, columns, tile);
    gemmPackedB(0, 0, 1, M, rows, columns, x, columns, tile, columns, out + (<usize>row << 2), rowsOf(m), 1, 0, rest);
  }
}

/** Columns of out that a part of `lfsrMatMulTransposed` has: whole groups where that fits. */
export function lfsrTransposedPart(m: usize): i32 {
  const C = sizeC(m);
  return max(1, DEPTH / C) * C;
}

// @ts-ignore: decorator
@inline
const ROWS_TRANSPOSED: i32 = TILE_SIZE / DEPTH;

/** Bytes of scratch that one thread needs for `lfsrMatMulTransposed` of [M, rows]. */
export function lfsrTransposedScratchBytes(m: usize, M: i32): usize {
  const columns = lfsrTransposedPart(m);
  return (
    256 + decodeScratchBytes(m) + (<usize>(ROWS_TRANSPOSED * columns) << 2) +
    gemmScratchBytes(M, columns, ROWS_TRANSPOSED)
  );
}

/** Parts [begin, end) of out [M, columns] = x [M, rows] · W, a part being `lfsrTransposedPart` columns of out. */
export function lfsrMatMulTransposed(
  m: usize, M: i32, x: usize, out: usize, scratch: usize, begin: i32, end: i32,
): void {
  const kind = kindOf(m), rows = rowsOf(m), columns = columnsOf(m), size = lfsrTransposedPart(m);
  const tile = align(scratch + decodeScratchBytes(m));
  const rest = align(tile + (<usize>(ROWS_TRANSPOSED * size) << 2));
  fillTables(m, scratch);
  for (let part = begin; part < end; part++) {
    const from = part * size, to = min(columns, from + size), width = to - from;
    for (let row = 0; row < rows; row += ROWS_TRANSPOSED) {
      const count = min(ROWS_TRANSPOSED, rows - row);
      decodeTile(kind, m, scratch, row, count, from, to, tile);
      gemmPackedB(
        0, 0, 0, M, width, count, x + (<usize>row << 2), rows, tile, width, out + (<usize>from << 2), columns, 1,
        row > 0 ? 1 : 0, rest,
      );
    }
  }
}
