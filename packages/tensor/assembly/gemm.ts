// Matrix products on packed panels: the loops of Goto and van de Geijn 2008 around a 6x8 micro-kernel. A block of
// B is packed for the outer caches, a block of A for the second, one panel of B stays in the first. Blocks are deep, since
// between two of them all of C is read and written: a panel of each side, 16 and 12 KiB, fits the 32 KiB of a first cache.

import { axpyRows, dotRows, preparedStride, prepareRows } from "./few-rows";
import { microKernel } from "./micro-kernel";
import { packA, packB } from "./pack";
import { packInt } from "./pack-int";

// @ts-ignore: decorator
@inline
const MC: i32 = 96;
// @ts-ignore: decorator
@inline
const KC: i32 = 512;
// @ts-ignore: decorator
@inline
const NC: i32 = 1024;
/** Bytes of one 6x8 tile, kept in front of the packed blocks for what reaches over an edge of C. */
// @ts-ignore: decorator
@inline
const TILE: usize = 6 * 8 * 4;
/** Up to how many rows B is not packed: against its rows, and against its columns. */
// @ts-ignore: decorator
@inline
const FEW_DOTS: i32 = 8;
// @ts-ignore: decorator
@inline
const FEW_SUMS: i32 = 4;

// @ts-ignore: decorator
@inline
function isFew(M: i32, transB: i32): bool {
  return M <= (transB ? FEW_DOTS : FEW_SUMS);
}

// @ts-ignore: decorator
@inline
function roundUp(n: i32, to: i32): i32 {
  return ((n + to - 1) / to) * to;
}

// @ts-ignore: decorator
@inline
function evenDepth(K: i32): i32 {
  return min(KC, K + (K & 1));
}

/** Columns of a block of B that is packed at once, of N. */
export function blockColumns(N: i32): i32 {
  return min(NC, N);
}

/** Steps of a block that is packed at once, of K: a multiple of 32 where it is not all of them. */
export function blockDepth(K: i32): i32 {
  return min(KC, K);
}

/** Bytes of scratch of `blockedProduct`. */
export function blockedScratchBytes(M: i32, N: i32, K: i32): usize {
  return TILE + (<usize>(evenDepth(K) * (roundUp(min(M, MC), 6) + roundUp(min(N, NC), 8))) << 2);
}

/** Bytes of scratch that a product [M, K]·[K, N] needs, in any form. It grows with none of them beyond 2.3 MiB, except that up to eight rows are copied. */
export function gemmScratchBytes(M: i32, N: i32, K: i32): usize {
  const few = M <= FEW_DOTS ? <usize>(M * preparedStride(K)) << 2 : 0;
  return M <= FEW_SUMS ? few : max(few, blockedScratchBytes(M, N, K));
}

/** Adds a tile's first `rows` x `cols` numbers to C, or puts them there. */
function putEdge(tile: usize, rows: i32, cols: i32, c: usize, stride: usize, accumulate: i32): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const to = c + (<usize>j << 2);
      const value = load<f32>(tile + (<usize>j << 2));
      store<f32>(to, accumulate ? load<f32>(to) + value : value);
    }
    tile += 32;
    c += stride;
  }
}

/** Bytes of the tile that `blockProduct` needs. */
export function packedTileBytes(): usize {
  return TILE;
}

/** All tiles of one packed block of A [M, K] by one of B [K, N]; K is even. `tile`: room for `packedTileBytes`. */
export function blockProduct(
  M: i32, N: i32, K: i32, pa: usize, pb: usize, c: usize, stride: usize, alpha: f32, accumulate: i32, tile: usize,
): void {
  panelProduct(M, N, K, pa, pb, <usize>(8 * K) << 2, c, stride, alpha, accumulate, tile);
}

/** `blockProduct` with the panels of B `bBytes` apart: deeper ones, of which K steps from `pb` on count. */
export function panelProduct(
  M: i32, N: i32, K: i32, pa: usize, pb: usize, bBytes: usize, c: usize, stride: usize, alpha: f32, accumulate: i32,
  tile: usize,
): void {
  const aBytes = <usize>(6 * K) << 2;
  for (let j = 0; j < N; j += 8) {
    let panel = pa;
    for (let i = 0; i < M; i += 6) {
      const to = c + <usize>i * stride + (<usize>j << 2);
      if (i + 6 <= M && j + 8 <= N) {
        microKernel(K, panel, pb, to, stride, alpha, accumulate);
      } else {
        microKernel(K, panel, pb, tile, 32, alpha, 0);
        putEdge(tile, min(6, M - i), min(8, N - j), to, stride, accumulate);
      }
      panel += aBytes;
    }
    pb += bBytes;
  }
}

/** Copies Aᵀ [K, M] to rows [M, K]: few rows only. */
function transposeFew(a: usize, lda: i32, M: i32, K: i32, dst: usize): void {
  for (let m = 0; m < M; m++) {
    for (let k = 0; k < K; k++) {
      store<f32>(dst + (<usize>(m * K + k) << 2), load<f32>(a + (<usize>k * <usize>lda + <usize>m << 2)));
    }
  }
}

function copyFew(a: usize, lda: i32, M: i32, K: i32, dst: usize): void {
  for (let m = 0; m < M; m++) {
    memory.copy(dst + (<usize>(m * K) << 2), a + (<usize>m * <usize>lda << 2), <usize>K << 2);
  }
}

function fewRows(
  format: i32, transA: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32, scratch: usize,
): void {
  if (!transB) {
    let rows = a;
    if (transA) transposeFew(a, lda, M, K, (rows = scratch));
    else if (M > 1 && lda != K) copyFew(a, lda, M, K, (rows = scratch));
    axpyRows(format, M, N, K, rows, b, ldb, c, ldc, alpha, accumulate);
  } else if (format == 0 && !transA) {
    dotRows(format, M, N, K, a, <usize>lda << 2, b, ldb, c, ldc, alpha, accumulate);
  } else if (format == 0) {
    transposeFew(a, lda, M, K, scratch);
    dotRows(format, M, N, K, scratch, <usize>K << 2, b, ldb, c, ldc, alpha, accumulate);
  } else {
    prepareRows(format, transA, M, K, a, lda, scratch);
    dotRows(format, M, N, K, scratch, <usize>preparedStride(K) << 2, b, ldb, c, ldc, alpha, accumulate);
  }
}

/**
 * C [M, N] = alpha * op(A)·op(B), or C + that when `accumulate` is 1; op transposes where its flag is 1.
 * A is f32 [M, K], or [K, M] when transposed; B is stored in `format` (0 f32, 1 f16, 2 bf16), [K, N], or [N, K]
 * when transposed. lda, ldb, ldc: distance of two stored rows, in numbers. C must not overlap A, B or the scratch.
 * K = 0 gives zeros, or leaves C when accumulating.
 *
 * To share one product between threads, give each a range of rows or of columns (`gemmTile`) and its own scratch.
 */
export function gemmPackedB(
  format: i32, transA: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32, scratch: usize,
): void {
  if (M <= 0 || N <= 0) return;
  if (K <= 0) {
    if (!accumulate) for (let m = 0; m < M; m++) memory.fill(c + (<usize>m * <usize>ldc << 2), 0, <usize>N << 2);
    return;
  }
  if (isFew(M, transB)) fewRows(format, transA, transB, M, N, K, a, lda, b, ldb, c, ldc, alpha, accumulate, scratch);
  else packedProduct(format, transA, transB, M, N, K, a, lda, b, ldb, c, ldc, alpha, accumulate, scratch);
}

/**
 * A product by packed blocks, however few the rows; K > 0. `isInt`: B is in 8 or 4 bits and not transposed, its rows
 * have `ldb` groups, and the block of its columns begins at firstCol, a multiple of 32.
 */
// @ts-ignore: decorator
@inline
export function blockedProduct(
  isInt: bool, format: i32, transA: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, lda: i32,
  b: usize, ldb: i32, scales: usize, firstCol: i32, c: usize, ldc: i32, alpha: f32, accumulate: i32, scratch: usize,
): void {
  const stride = <usize>ldc << 2;
  const bShift = format == 0 ? 2 : 1;
  const packedA = scratch + TILE;
  const packedB = packedA + (<usize>(evenDepth(K) * roundUp(min(M, MC), 6)) << 2);
  const room = packedB + (<usize>(evenDepth(K) * roundUp(min(N, NC), 8)) << 2);
  for (let n = 0; n < N; n += NC) {
    const cols = min(NC, N - n);
    for (let k = 0; k < K; k += KC) {
      const depth = min(KC, K - k);
      const even = depth + (depth & 1);
      if (isInt) {
        packInt(format, b, scales, K, ldb, firstCol + n, k, cols, depth, packedB, room);
      } else {
        const bAt = transB ? <usize>n * <usize>ldb + <usize>k : <usize>k * <usize>ldb + <usize>n;
        packB(format, transB, b + (bAt << bShift), ldb, cols, depth, packedB);
      }
      const add = k > 0 ? 1 : accumulate;
      for (let m = 0; m < M; m += MC) {
        const rows = min(MC, M - m);
        const aAt = transA ? <usize>k * <usize>lda + <usize>m : <usize>m * <usize>lda + <usize>k;
        packA(transA, a + (aAt << 2), lda, rows, depth, packedA);
        const to = c + <usize>m * stride + (<usize>n << 2);
        blockProduct(rows, cols, even, packedA, packedB, to, stride, alpha, add, scratch);
      }
    }
  }
}

function packedProduct(
  format: i32, transA: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32, scratch: usize,
): void {
  blockedProduct(false, format, transA, transB, M, N, K, a, lda, b, ldb, 0, 0, c, ldc, alpha, accumulate, scratch);
}

/** `gemmPackedB` with B in f32: C [M, N] = alpha * op(A)·op(B) (+ C). */
export function gemm(
  transA: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32, scratch: usize,
): void {
  gemmPackedB(0, transA, transB, M, N, K, a, lda, b, ldb, c, ldc, alpha, accumulate, scratch);
}

/**
 * The part of `gemmPackedB` in rows [rowBegin, rowEnd) and columns [colBegin, colEnd) of C: what one thread does.
 * Sizes other than the ranges are K and the distances; scratch: gemmScratchBytes(rows, columns, K).
 */
export function gemmTile(
  format: i32, transA: i32, transB: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32, c: usize, ldc: i32,
  alpha: f32, accumulate: i32, scratch: usize, rowBegin: i32, rowEnd: i32, colBegin: i32, colEnd: i32,
): void {
  const aAt = <usize>rowBegin * (transA ? 1 : <usize>lda);
  const bAt = <usize>colBegin * (transB ? <usize>ldb : 1);
  const cAt = <usize>rowBegin * <usize>ldc + <usize>colBegin;
  gemmPackedB(
    format, transA, transB, rowEnd - rowBegin, colEnd - colBegin, K, a + (aAt << 2), lda,
    b + (bAt << (format == 0 ? 2 : 1)), ldb, c + (cAt << 2), ldc, alpha, accumulate, scratch,
  );
}

/**
 * `batch` products of f32 matrices without gaps between their rows: C_i [M, N] = alpha * op(A_i)·op(B_i) for i in
 * [begin, end). strideA, strideB, strideC: distance of two matrices, in numbers; 0 shares one. C_i are distinct.
 */
export function gemmBatched(
  transA: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, strideA: i32, b: usize, strideB: i32,
  c: usize, strideC: i32, alpha: f32, accumulate: i32, scratch: usize, begin: i32, end: i32,
): void {
  for (let i = <usize>begin; i < <usize>end; i++) {
    gemmPackedB(
      0, transA, transB, M, N, K, a + (i * <usize>strideA << 2), transA ? M : K,
      b + (i * <usize>strideB << 2), transB ? K : N, c + (i * <usize>strideC << 2), N, alpha, accumulate, scratch,
    );
  }
}

/**
 * Parts [begin, end) of one product, a part being `size` rows of C, or `size` columns when `byColumns` is 1; the last
 * may be smaller. K > 0. Whoever computes a part gets the same bits as who computes the whole: `size` is a multiple of
 * the tile, 6 rows or 8 columns. scratch: gemmScratchBytes(M, N, K), one for each thread.
 */
export function gemmParts(
  format: i32, transA: i32, transB: i32, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32,
  c: usize, ldc: i32, alpha: f32, accumulate: i32, scratch: usize, byColumns: i32, size: i32, begin: i32, end: i32,
): void {
  const from = begin * size;
  const to = min(end * size, byColumns ? N : M);
  if (from >= to) return;
  const rows = byColumns ? M : to - from;
  const cols = byColumns ? to - from : N;
  if (byColumns) {
    b += <usize>from * (transB ? <usize>ldb : 1) << (format == 0 ? 2 : 1);
    c += <usize>from << 2;
  } else {
    a += <usize>from * (transA ? 1 : <usize>lda) << 2;
    c += <usize>from * <usize>ldc << 2;
  }
  if (isFew(M, transB)) fewRows(format, transA, transB, rows, cols, K, a, lda, b, ldb, c, ldc, alpha, accumulate, scratch);
  else packedProduct(format, transA, transB, rows, cols, K, a, lda, b, ldb, c, ldc, alpha, accumulate, scratch);
}
