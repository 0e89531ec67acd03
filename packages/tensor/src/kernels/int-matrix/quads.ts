// How an IntMatrix lies on a device: the rows of QuantizedRows in fours, so that a vector holds the same columns of each.

import { GROUP_SIZE, type QuantizedRows } from "@corenet/core/quantize";
import type { IntMatrixAttrs } from "./op.ts";

/** Rows that lie interleaved. */
const QUAD = 4;

type Words = Uint32Array | Uint16Array;

/**
 * Interleaves every four rows in place: word i of row r of a quad goes to place 4 i + r. The last rows, fewer than four,
 * stay as they are.
 *
 * @param words - rows of `length` each: quants as 32-bit words, or scales
 */
export function toQuads(words: Words, length: number): void {
  const rows = words.slice(0, QUAD * length); // one memory for all quads: new ones would be garbage as large as the matrix
  for (let first = 0; first + QUAD * length <= words.length; first += QUAD * length) {
    rows.set(words.subarray(first, first + QUAD * length));
    for (let row = 0, from = 0; row < QUAD; row++) {
      for (let i = 0, to = first + row; i < length; i++, to += QUAD) words[to] = rows[from++] as number;
    }
  }
}

/** Undoes `toQuads`, in place. */
export function fromQuads(words: Words, length: number): void {
  const quad = words.slice(0, QUAD * length);
  for (let first = 0; first + QUAD * length <= words.length; first += QUAD * length) {
    quad.set(words.subarray(first, first + QUAD * length));
    for (let row = 0, to = first; row < QUAD; row++) {
      for (let i = 0, from = row; i < length; i++, from += QUAD) words[to++] = quad[from] as number;
    }
  }
}

/** 32-bit words of quants in a row. */
export function rowWords({ format, columns }: Pick<IntMatrixAttrs, "format" | "columns">): number {
  return Math.ceil(columns / GROUP_SIZE) * (format === "int8" ? 8 : 4);
}

/** What a payload stands for: its words of quants, and its scales in pairs. Both are left as they are. */
export function quantizedRows(
  words: ArrayBufferView,
  pairs: ArrayBufferView,
  attrs: IntMatrixAttrs,
): QuantizedRows {
  const { format, rows, columns } = attrs;
  const groups = Math.ceil(columns / GROUP_SIZE);
  const quants = copyOf(words);
  const scales = new Uint16Array(copyOf(pairs).buffer, 0, rows * groups);
  fromQuads(new Uint32Array(quants.buffer), rowWords(attrs));
  fromQuads(scales, groups);
  return { format, rows, columns, groups, quants, scales };
}

function copyOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}
