import type { Importance } from "./importance.ts";
import type { BlockGrid } from "./lfsr-tensor.ts";

/** Fills `into` with weights from the flat index `first` on, at once or later. */
export type ReadWeights = (first: number, into: Float32Array<ArrayBuffer>) => Promise<void> | void;

/** Blocks `first`, `first + stride`, ..., n of them: those that are coded together. */
export interface BlockRun {
  readonly first: number;
  readonly stride: number;
  readonly n: number;
}

/**
 * The blocks to be coded together after `done` others, at most `n`. With an importance per column they are those of one
 * place in all rows, which share one table of seeds; else they follow each other.
 */
export function nextRun(
  grid: BlockGrid,
  importance: Importance | undefined,
  done: number,
  n: number,
): BlockRun {
  if (!importance || !isShared(importance, grid)) return { first: done, stride: 1, n };
  const { C, rows, cols } = grid;
  const row = done % rows;
  return {
    first: row * Math.ceil(cols / C) + Math.floor(done / rows),
    stride: Math.ceil(cols / C),
    n: Math.min(n, rows - row),
  };
}

/** Whether blocks of one place in all rows have the same importances: all rows are cut at the same columns. */
export function isShared({ perColumn }: Importance, { C, layout, cols }: BlockGrid): boolean {
  return perColumn && (layout === "rows" || cols % C === 0);
}

/** Where the weights of a block begin, and how many it has; the rest of it is padding. */
export function blockSpan({ C, layout, cols, size, blocksPerRow }: BlockGrid, block: number) {
  if (layout === "flat") return { start: block * C, count: Math.min(C, size - block * C) };
  const at = (block % blocksPerRow) * C;
  return { start: Math.floor(block / blocksPerRow) * cols + at, count: Math.min(C, cols - at) };
}

/** The weights of a run, padded with 0 [n, C]. */
export async function readBlocks(
  read: ReadWeights,
  grid: BlockGrid,
  { first, stride, n }: BlockRun,
): Promise<Float32Array<ArrayBuffer>> {
  const { C } = grid;
  const blocks = new Float32Array(n * C);
  if (stride > 1) {
    for (let i = 0; i < n; i++) {
      const { start, count } = blockSpan(grid, first + i * stride);
      const reading = read(start, blocks.subarray(i * C, i * C + count));
      if (reading) await reading; // one wait per block would cost more than the reading
    }
    return blocks;
  }
  const begin = blockSpan(grid, first).start;
  const last = blockSpan(grid, first + n - 1);
  const weights = new Float32Array(last.start + last.count - begin);
  await read(begin, weights);
  for (let i = 0; i < n; i++) {
    const { start, count } = blockSpan(grid, first + i);
    blocks.set(weights.subarray(start - begin, start - begin + count), i * C);
  }
  return blocks;
}
