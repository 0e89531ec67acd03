import { throwIfAborted } from "@corenet/core";
import { writeNibbles } from "./block-code.ts";
import { type BlockRun, blockSpan, nextRun, type ReadWeights, readBlocks } from "./block-run.ts";
import type { BlockCodes, BlockSearch } from "./block-search.ts";
import { type LfsrConfig, lfsrConfig } from "./config.ts";
import { blockDecoder } from "./decode.ts";
import { type EncodeStats, StatsCounter } from "./encode-stats.ts";
import type { EncodeTensorOptions } from "./encode-tensor.ts";
import { fixedExpBias } from "./exponent-bias.ts";
import { checkExponentRule, type ExponentRule } from "./exponent-rule.ts";
import { batchImportance, type Importance, importanceOf } from "./importance.ts";
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

/** Codes that were found before, kept where a crash does not lose them. Blocks are counted in the order of the job. */
export interface EncodeJournal {
  /** What `append` kept for the blocks from `from` on, as many as it got; undefined where it got none. */
  read(from: number): Promise<BlockCodes | undefined>;
  append(from: number, codes: BlockCodes): Promise<void>;
}

/** Checks the options and fills in their defaults. @throws RangeError when one is wrong */
export function encodeJob(
  shape: readonly number[],
  options: EncodeTensorOptions & { search: BlockSearch },
): EncodeJob {
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
    search: options.search,
    signal: options.signal,
  };
}

/** Largest root mean square of a block; padding counts as 0. Reads all weights, in ascending order. */
export async function largestRms({ grid, search, signal }: EncodeJob, read: ReadWeights) {
  const { C } = grid;
  let largest = 0;
  for (let done = 0; done < grid.blocks; ) {
    throwIfAborted(signal);
    const n = Math.min(search.batchBlocks, grid.blocks - done);
    const blocks = await readBlocks(read, grid, { first: done, stride: 1, n });
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let c = i * C; c < (i + 1) * C; c++) sum += (blocks[c] as number) ** 2;
      largest = Math.max(largest, Math.sqrt(sum / C));
    }
    done += n;
  }
  return largest;
}

/** Blocks that are coded together, on their way through the search. */
interface Batch {
  readonly run: BlockRun;
  readonly blocks: Float32Array<ArrayBuffer>;
  readonly codes: Promise<BlockCodes>;
  readonly fromJournal: boolean;
}

/**
 * Encodes batch by batch; while one is counted and kept, the next is read and searched, so that no worker waits.
 * Weights are read in ascending order, unless there is an importance per column.
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

  async function begin(done: number): Promise<Batch> {
    throwIfAborted(signal);
    const kept = await journal?.read(done);
    const n = kept?.seeds.length ?? Math.min(search.batchBlocks, grid.blocks - done);
    const run = nextRun(grid, importance, done, n);
    const blocks = await readBlocks(read, grid, run); // [n, C]
    const h = importance && !kept ? batchImportance(importance, grid, run) : undefined;
    const options = { config, exponentRule, expBias, nSeeds, signal };
    const codes = kept ? Promise.resolve(kept) : search.search({ blocks, importance: h }, options);
    codes.catch(() => {}); // its failure is told where it is awaited
    return { run, blocks, codes, fromJournal: kept !== undefined };
  }

  /** Puts the codes of a batch in their place. Returns the number of its weights. */
  function put({ run, blocks }: Batch, codes: BlockCodes): number {
    const decoded = new Float32Array(C);
    let weights = 0;
    for (let i = 0; i < run.n; i++) {
      const block = run.first + i * run.stride;
      const code = codes.exponentCodes[i] as number;
      tensor.seeds[block] = codes.seeds[i] as number;
      writeNibbles(tensor, block, code, codes.q.subarray(i * P, (i + 1) * P));
      decode(block, block + 1, decoded, 0);
      const { start, count } = blockSpan(grid, block);
      counter.add(
        block,
        blocks.subarray(i * C, i * C + count),
        decoded,
        code,
        importance && importanceOf(importance, grid, start, count),
      );
      weights += count;
    }
    return weights;
  }

  const ahead: Batch[] = []; // by importance a batch is short: there are several then
  let begun = 0;
  for (let done = 0; done < grid.blocks; ) {
    while (begun < grid.blocks && begun < done + 2 * search.batchBlocks) {
      const batch = await begin(begun);
      ahead.push(batch);
      begun += batch.run.n;
    }
    const batch = ahead.shift() as Batch;
    const codes = await batch.codes;
    if (!batch.fromJournal) await journal?.append(done, codes);
    onBatch?.(put(batch, codes), batch.fromJournal);
    done += batch.run.n;
  }
  return { ...tensor, stats: counter.stats() };
}
