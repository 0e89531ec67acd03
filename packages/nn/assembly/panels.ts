// Keys and values packed once for many blocks of queries, and products with parts of them.

import { packedTileBytes, panelProduct } from "../../tensor/assembly/gemm";
import { packA, packB } from "../../tensor/assembly/pack";

/** Rows of a block of queries: a multiple of the micro-kernel's 6, small enough that the causal corner wastes little. */
// @ts-ignore: decorator
@inline
export const ROWS: i32 = 48;
/** Steps of a product over keys that are packed at once. */
// @ts-ignore: decorator
@inline
const DEPTH: i32 = 256;

// @ts-ignore: decorator
@inline
export function even(n: i32): i32 {
  return n + (n & 1);
}

/** Bytes of n columns of depth steps, packed as B. */
// @ts-ignore: decorator
@inline
export function panelBytes(n: i32, depth: i32): usize {
  return <usize>(((n + 7) & ~7) * even(depth)) << 2;
}

/** Distance of two lines of n scores, in numbers: never a multiple of 4 KiB, or all would fall into one set of the cache. */
// @ts-ignore: decorator
@inline
export function lineStride(n: i32): i32 {
  return ((n + 15) & ~15) + 16;
}

/** Bytes of what the products below pack by themselves, and of their tile. */
// @ts-ignore: decorator
@inline
export function workBytes(d: i32): usize {
  return packedTileBytes() + (<usize>(2 * ROWS * max(even(d), DEPTH)) << 2);
}

/** Packs rows x [n, d] for `byRows`: columns of the product. */
// @ts-ignore: decorator
@inline
export function packAsColumns(x: usize, n: i32, d: i32, dst: usize): void {
  packB(0, 1, x, d, n, d, dst);
}

/** Packs rows x [n, d] for `overRows`: steps of the product. */
// @ts-ignore: decorator
@inline
export function packAsSteps(x: usize, n: i32, d: i32, dst: usize): void {
  packB(0, 0, x, d, d, n, dst);
}

/** Scores c [rows, n] = alpha * a [rows, d]·xᵀ, with rows [lo, lo + n) of an x from `packAsColumns`; lo is a multiple of 8. */
export function byRows(
  rows: i32, n: i32, d: i32, a: usize, x: usize, lo: i32, c: usize, alpha: f32, work: usize,
): void {
  const depth = even(d);
  const packed = work + packedTileBytes();
  packA(0, a, d, rows, d, packed);
  const from = x + (<usize>(lo * depth) << 2);
  panelProduct(rows, n, depth, packed, from, <usize>(8 * depth) << 2, c, <usize>lineStride(n) << 2, alpha, 0, work);
}

/** c [rows, d] = a·x, with scores a [rows, n] and rows [lo, lo + n) of the `total` of an x from `packAsSteps`. */
export function overRows(
  rows: i32, n: i32, d: i32, a: usize, x: usize, total: i32, lo: i32, c: usize, work: usize,
): void {
  const packed = work + packedTileBytes();
  for (let k = 0; k < n; k += DEPTH) {
    const depth = min(DEPTH, n - k);
    packA(0, a + (<usize>k << 2), lineStride(n), rows, depth, packed);
    const from = x + (<usize>(lo + k) << 5);
    const apart = <usize>(8 * even(total)) << 2;
    panelProduct(rows, d, even(depth), packed, from, apart, c, <usize>d << 2, 1, k > 0 ? 1 : 0, work);
  }
}

/** c [n, d] += aᵀ·x, with scores a [rows, n] and an x [rows, d] from `packAsSteps`. */
export function addTransposed(rows: i32, n: i32, d: i32, a: usize, x: usize, c: usize, work: usize): void {
  const depth = even(rows);
  const packed = work + packedTileBytes();
  for (let m = 0; m < n; m += 2 * ROWS) {
    const count = min(2 * ROWS, n - m);
    packA(1, a + (<usize>m << 2), lineStride(n), count, rows, packed);
    const to = c + (<usize>m * <usize>d << 2);
    panelProduct(count, d, depth, packed, x, <usize>(8 * depth) << 2, to, <usize>d << 2, 1, 1, work);
  }
}
