import { throwIfAborted } from "@corenet/core";
import { writeNibbles } from "./block-code.ts";
import { type BlockCodes, type BlockSearch, referenceSearch } from "./block-search.ts";
import { type LfsrConfig, lfsrConfig } from "./config.ts";
import { blockDecoder } from "./decode.ts";
import { type EncodeStats, StatsCounter } from "./encode-stats.ts";
import type { EncodeTensorOptions } from "./encode-tensor.ts";
import { fixedExpBias } from "./exponent-bias.ts";
import { checkExponentRule, type ExponentRule } from "./exponent-rule.ts";
import { type Importance, prepareImportance } from "./importance.ts";
import {
  type BlockGrid,
  blockGrid,
  emptyPayload,
  type LfsrLayout,
  type LfsrTensor,
  type SourceDtype,
} from "./lfsr-tensor.ts";

/** A tensor to be encoded, its options checked and filled in. */
export interface EncodeJob {
  readonly shape: readonly number[];
  readonly grid: BlockGrid;
  readonly config: LfsrConfig;
  readonly exponentRule: ExponentRule;
  /** Undefined: to be found from the weights. */
  readonly expBias: number | undefined;
  readonly layout: LfsrLayout;
  readonly nSeeds: number;
  readonly sourceDtype: SourceDtype;
  readonly search: BlockSearch;
  readonly signal: AbortSignal | undefined;
}

/** Fills `into` with weights from the flat index `first` on, at once or later. */
export type ReadWeights = (first: number, into: Float32Array<ArrayBuffer>) => Promise<void> | void;

/** Codes that were found before, kept where a crash does not lose them. Blocks are counted in the order of the job. */
export interface EncodeJournal {
  /** What `append` kept for the blocks from `from` on, as many as it got; undefined where it got none. */
  read(from: number): Promise<BlockCodes | undefined>;
  append(from: number, codes: BlockCodes): Promise<void>;
}

/** Checks the options and fills in their defaults. @throws RangeError when one is wrong */
export function encodeJob(shape: readonly number[], options: EncodeTensorOptions): EncodeJob {
  const {
    bits,
    config = lfsrConfig({ bits }),
    exponentRule = "best",
    expBias = "auto",
    layout = "rows",
  } = options;
  const period = 2 ** config.K - 1;
  const { nSeeds = period } = options;
  checkExponentRule("encodeTensor", exponentRule);
  if (layout !== "rows" && layout !== "flat") {
    throw new RangeError(`encodeTensor: layout is ${JSON.stringify(layout)}, expected "rows" or "flat".`);
  }
  if (config.K > 20 && options.nSeeds === undefined) {
    throw new RangeError(
      `encodeTensor: K is ${config.K}, expected at most 20: the search would try ${period} seeds for every block. ` +
        `Set nSeeds, to ${period} if you mean it.`,
    );
  }
  if (!(Number.isInteger(nSeeds) && nSeeds >= 1 && nSeeds <= period)) {
    throw new RangeError(`encodeTensor: nSeeds is ${nSeeds}, expected an integer in [1, ${period}].`);
  }
  return {
    shape: [...shape],
    grid: blockGrid("encodeTensor", shape, config.C, layout),
    config,
    exponentRule,
    expBias: fixedExpBias("encodeTensor", expBias, config.K),
    layout,
    nSeeds,
    sourceDtype: options.sourceDtype ?? "F32",
    search: options.search ?? referenceSearch(),
    signal: options.signal,
  };
}

/** Largest root mean square of a block; padding counts as 0. Reads all weights, in ascending order. */
export async function largestRms(
  { grid, config: { C }, layout, search, signal }: EncodeJob,
  read: ReadWeights,
) {
  let largest = 0;
  for (let done = 0; done < grid.blocks; ) {
    throwIfAborted(signal);
    const n = Math.min(search.batchBlocks, grid.blocks - done);
    const blocks = await readBlocks(read, grid, layout, C, { first: done, stride: 1, n });
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let c = i * C; c < (i + 1) * C; c++) sum += (blocks[c] as number) ** 2;
      largest = Math.max(largest, Math.sqrt(sum / C));
    }
    done += n;
  }
  return largest;
}

/**
 * Encodes batch by batch. Weights are read in ascending order, unless there is an importance per column.
 *
 * @throws `signal.reason` when aborted
 */
export async function encodeWeights(
  job: EncodeJob,
  read: ReadWeights,
  parts: {
    expBias: number;
    importance?: Importance | undefined;
    journal?: EncodeJournal | undefined;
    /** Told the weights of each batch, and whether its codes came from the journal. */
    onBatch?: (weights: number, fromJournal: boolean) => void;
  },
): Promise<LfsrTensor & { readonly stats: EncodeStats }> {
  const { shape, grid, config, exponentRule, layout, nSeeds, sourceDtype, search, signal } = job;
  const { expBias, importance, journal, onBatch } = parts;
  const { C, P } = config;
  const tensor: LfsrTensor = {
    config,
    shape,
    layout,
    expBias,
    sourceDtype,
    ...emptyPayload(grid.blocks, config),
  };
  const decode = blockDecoder(tensor);
  const counter = new StatsCounter();

  for (let done = 0; done < grid.blocks; ) {
    throwIfAborted(signal);
    const kept = await journal?.read(done);
    const n = kept?.seeds.length ?? Math.min(search.batchBlocks, grid.blocks - done);
    const run = nextRun(job, importance, done, n);
    const blocks = await readBlocks(read, grid, layout, C, run); // [n, C]
    let codes = kept;
    if (!codes) {
      const h = importance && batchImportance(importance, grid, layout, C, run);
      codes = await search.search(
        { blocks, importance: h },
        { config, exponentRule, expBias, nSeeds, signal },
      );
      await journal?.append(done, codes);
    }

    const decoded = new Float32Array(C);
    let weights = 0;
    for (let i = 0; i < run.n; i++) {
      const block = run.first + i * run.stride;
      const code = codes.exponentCodes[i] as number;
      tensor.seeds[block] = codes.seeds[i] as number;
      writeNibbles(tensor, block, code, codes.q.subarray(i * P, (i + 1) * P));
      decode(block, block + 1, decoded, 0);
      const { start, count } = blockSpan(grid, layout, C, block);
      counter.add(
        block,
        blocks.subarray(i * C, i * C + count),
        decoded,
        code,
        importance && importanceOf(importance, grid, start, count),
      );
      weights += count;
    }
    done += run.n;
    onBatch?.(weights, kept !== undefined);
  }
  return { ...tensor, stats: counter.stats() };
}

/** Blocks `first`, `first + stride`, ..., n of them. */
interface BlockRun {
  readonly first: number;
  readonly stride: number;
  readonly n: number;
}

/**
 * The blocks to be coded together after `done` others, at most `n`. With an importance per column they are those of one
 * place in all rows, which share one table of seeds; else they follow each other.
 */
function nextRun(
  { grid, config, layout }: EncodeJob,
  importance: Importance | undefined,
  done: number,
  n: number,
): BlockRun {
  if (!importance?.perColumn || !isAligned(grid, layout, config.C)) return { first: done, stride: 1, n };
  const { rows, cols } = grid;
  const column = Math.floor(done / rows);
  const row = done % rows;
  const stride = Math.ceil(cols / config.C);
  return { first: row * stride + column, stride, n: Math.min(n, rows - row) };
}

/** Whether all rows are cut into blocks at the same columns. */
function isAligned({ cols }: BlockGrid, layout: LfsrLayout, C: number): boolean {
  return layout === "rows" || cols % C === 0;
}

/** Where the weights of a block begin, and how many it has; the rest of it is padding. */
function blockSpan({ cols, size, blocksPerRow }: BlockGrid, layout: LfsrLayout, C: number, block: number) {
  if (layout === "flat") return { start: block * C, count: Math.min(C, size - block * C) };
  const at = (block % blocksPerRow) * C;
  return { start: Math.floor(block / blocksPerRow) * cols + at, count: Math.min(C, cols - at) };
}

/** The weights of a run, padded with 0 [n, C]. */
async function readBlocks(
  read: ReadWeights,
  grid: BlockGrid,
  layout: LfsrLayout,
  C: number,
  { first, stride, n }: BlockRun,
): Promise<Float32Array<ArrayBuffer>> {
  const blocks = new Float32Array(n * C);
  const begin = blockSpan(grid, layout, C, first).start;
  const last = blockSpan(grid, layout, C, first + (n - 1) * stride);
  if (stride === 1) {
    const weights = new Float32Array(last.start + last.count - begin);
    await read(begin, weights);
    for (let i = 0; i < n; i++) {
      const { start, count } = blockSpan(grid, layout, C, first + i);
      blocks.set(weights.subarray(start - begin, start - begin + count), i * C);
    }
    return blocks;
  }
  for (let i = 0; i < n; i++) {
    const { start, count } = blockSpan(grid, layout, C, first + i * stride);
    const reading = read(start, blocks.subarray(i * C, i * C + count));
    if (reading) await reading; // one wait per block would cost more than the reading
  }
  return blocks;
}

/** Importances for the search: one for all blocks of a run [C], or one each [n, C]. */
function batchImportance(
  importance: Importance,
  grid: BlockGrid,
  layout: LfsrLayout,
  C: number,
  { first, stride, n }: BlockRun,
): Float64Array<ArrayBuffer> {
  const isShared = importance.perColumn && isAligned(grid, layout, C);
  const prepared = new Float64Array((isShared ? 1 : n) * C);
  for (let i = 0; i < prepared.length / C; i++) {
    const { start, count } = blockSpan(grid, layout, C, first + i * stride);
    prepareImportance(importanceOf(importance, grid, start, count), prepared.subarray(i * C, (i + 1) * C));
  }
  return prepared;
}

/** Importances of `count` weights from the flat index `start` on. */
function importanceOf(
  { values, perColumn }: Importance,
  { cols }: BlockGrid,
  start: number,
  count: number,
): number[] {
  return Array.from(
    { length: count },
    (_, c) => values[perColumn ? (start + c) % cols : start + c] as number,
  );
}
