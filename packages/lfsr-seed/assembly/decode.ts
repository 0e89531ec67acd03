// A packed matrix, or rows of it, as floats.

import { decodeLines } from "./panel";
import {
  codeBytes, codesAt, columnsOf, exponentsAt, isFlat, kindOf, lanesOf, seedsAt, sizeC, sizeK, sizeP,
} from "./payload";
import { TABLE_BYTES, fillTables } from "./stream";

/** Bytes of eight gathered blocks: seeds, nibbles (C <= 255 makes at most 128 each), exponents. */
// @ts-ignore: decorator
@inline
const GATHERED: usize = 32 + 8 * 128 + 16;

/** Bytes of scratch that decoding needs: tables, eight gathered blocks and their weights. */
export function decodeScratchBytes(m: usize): usize {
  return TABLE_BYTES + GATHERED + (<usize>sizeC(m) << 5);
}

/**
 * dst = the weights [first, end) of a run of blocks: block `base`, `base + step`, and so on, C weights each.
 *
 * @param work - scratch behind the tables
 */
function decodeRun(
  kind: i32, m: usize, tables: usize, work: usize, base: usize, step: usize, first: i32, end: i32, dst: usize,
): void {
  const C = sizeC(m), P = sizeP(m), bytes = codeBytes(m);
  const wide = sizeK(m) > 16;
  const even = (P & 1) == 0;
  const codes = work + 32, exponents = codes + 8 * 128;
  const lines = work + GATHERED;
  const lastBlock = (end - 1) / C;
  for (let block = first / C; block <= lastBlock; block += 8) {
    let packed: u32 = 0;
    for (let lane = 0; lane < 8; lane++) {
      const at = base + <usize>min(block + lane, lastBlock) * step;
      if (wide) store<u32>(work + (<usize>lane << 2), load<u32>(seedsAt(m, at)));
      else store<u16>(work + (<usize>lane << 1), load<u16>(seedsAt(m, at)));
      const from = codesAt(m, at), to = codes + <usize>(lane * bytes);
      if (bytes == 2) store<u16>(to, load<u16>(from));
      else memory.copy(to, from, bytes);
      if (even) {
        const pair = <u32>load<u8>(exponentsAt(m, at));
        packed |= ((at & 1) != 0 ? pair >> 4 : pair & 15) << (lane << 2);
      }
    }
    store<u32>(exponents, packed);
    const from = max(block * C, first), to = min((block + 8) * C, end);
    const target = dst + (<usize>(from - first) << 2);
    if (to - from == 8 * C) {
      decodeLines(kind, m, tables, work, codes, exponents, target, <usize>C << 2);
    } else {
      decodeLines(kind, m, tables, work, codes, exponents, lines, <usize>C << 2);
      memory.copy(target, lines + (<usize>(from - block * C) << 2), <usize>(to - from) << 2);
    }
  }
}

/**
 * dst = weights [begin, end) of one row.
 *
 * @param scratch - decodeScratchBytes, the tables filled
 */
function decodeRowPart(
  kind: i32, m: usize, scratch: usize, row: usize, begin: i32, end: i32, dst: usize,
): void {
  if (begin >= end) return;
  const work = scratch + TABLE_BYTES;
  if (!isFlat(m)) {
    decodeRun(kind, m, scratch, work, row, <usize>lanesOf(m), begin, end, dst);
    return;
  }
  const columns = <usize>columnsOf(m), C = <usize>sizeC(m);
  const before = row * columns;
  const block = before / C, skip = <i32>(before - block * C); // a row begins inside a block
  decodeRun(kind, m, scratch, work, block, 1, skip + begin, skip + end, dst);
}

/**
 * dst = weights [begin, end) of eight rows, a multiple of 8 on, `stride` bytes apart. Layout `rows`; `begin` is a
 * multiple of C.
 *
 * @param scratch - decodeScratchBytes, the tables filled
 */
function decodeEightRows(
  kind: i32, m: usize, scratch: usize, row: usize, begin: i32, end: i32, dst: usize, stride: usize,
): void {
  const C = sizeC(m), lanes = <usize>lanesOf(m);
  const even = (sizeP(m) & 1) == 0;
  const lines = scratch + TABLE_BYTES + GATHERED;
  for (let column = begin; column < end; column += C) {
    const block = <usize>(column / C) * lanes + row;
    const seeds = seedsAt(m, block), codes = codesAt(m, block), exponents = even ? exponentsAt(m, block) : 0;
    const to = dst + (<usize>(column - begin) << 2);
    if (column + C <= end) {
      decodeLines(kind, m, scratch, seeds, codes, exponents, to, stride);
    } else {
      const bytes = <usize>(end - column) << 2;
      decodeLines(kind, m, scratch, seeds, codes, exponents, lines, <usize>C << 2);
      for (let i: usize = 0; i < 8; i++) memory.copy(to + i * stride, lines + i * (<usize>C << 2), bytes);
    }
  }
}

/**
 * dst [count, end - begin] = columns [begin, end) of rows from `row` on; begin is a multiple of C.
 *
 * @param scratch - decodeScratchBytes, the tables filled
 */
export function decodeTile(
  kind: i32, m: usize, scratch: usize, row: i32, count: i32, begin: i32, end: i32, dst: usize,
): void {
  const stride = <usize>(end - begin) << 2;
  const inEights = !isFlat(m) && (row & 7) == 0;
  let i = 0;
  if (inEights) {
    for (; i + 8 <= count; i += 8) {
      decodeEightRows(kind, m, scratch, <usize>(row + i), begin, end, dst + <usize>i * stride, stride);
    }
  }
  for (; i < count; i++) decodeRowPart(kind, m, scratch, <usize>(row + i), begin, end, dst + <usize>i * stride);
}

/** How many ids from the first on, up to 8, count up by one. */
function runLength(ids: usize, most: i32): i32 {
  const first = load<i32>(ids);
  let n = 1;
  while (n < most && load<i32>(ids + (<usize>n << 2)) == first + n) n++;
  return n;
}

/** out [n, columns] = the rows of matrix m with ids [begin, end) of those given (i32). */
export function lfsrRows(m: usize, ids: usize, out: usize, scratch: usize, begin: i32, end: i32): void {
  const columns = columnsOf(m);
  const kind = kindOf(m);
  fillTables(m, scratch);
  for (let i = begin; i < end; ) {
    const at = ids + (<usize>i << 2);
    const count = runLength(at, min(8, end - i));
    decodeTile(kind, m, scratch, load<i32>(at), count, 0, columns, out + (<usize>i * <usize>columns << 2));
    i += count;
  }
}
