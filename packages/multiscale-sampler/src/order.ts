import { checkCount } from "./check.ts";
import type { EpochRandom } from "./random.ts";

/** Where this process stands among those that train together. */
export interface RankOptions {
  /** From 0. */
  rank: number;
  worldSize: number;
  /** Every node keeps to a part of the samples of its own, so that it need not see all files. */
  shards?: {
    ranksPerNode: number;
    /** Whether a node shuffles its part. @default true */
    shuffle?: boolean;
  };
}

/** Which samples an epoch has, in which order. */
export interface OrderOptions {
  /** How many samples there are, or their indices: whole numbers in [0, 2^32). */
  samples: number | ArrayLike<number>;
  /** False for evaluation; `{ fromEpoch: 1 }` keeps the first epoch in the order of the data. @default true */
  shuffle?: boolean | { fromEpoch: number };
  /** Repeated augmentation: how often each sample comes, one copy after the other. @default 1 */
  repeats?: number;
  /** Cuts an epoch with repeats to as many samples as one without: then only 1 in `repeats` is seen. @default false */
  truncateRepeats?: boolean;
  /** @default one process */
  ranks?: RankOptions;
}

/**
 * Throws what is wrong with `options`; where nothing is, gives the number of samples that each rank sees in an epoch,
 * copies and padding to equal shares included.
 */
export function checkOrder(who: string, options: OrderOptions): number {
  const { samples, shuffle = true, repeats = 1, truncateRepeats = false, ranks } = options;
  const count = typeof samples === "number" ? samples : samples.length;
  checkCount(`${who}: samples`, count, 0, "Pass how many samples there are, or their indices.");
  if (typeof samples !== "number") checkIndices(who, samples);
  if (typeof shuffle === "object")
    checkCount(`${who}: shuffle.fromEpoch`, shuffle.fromEpoch, 0, "Count from 0.");
  checkCount(`${who}: repeats`, repeats, 1, "Use 1 to see each sample once.");
  const copies = truncateRepeats ? 1 : repeats;
  if (count * copies > 2 ** 32) {
    throw new RangeError(
      `${who}: samples is ${count}, ${copies} times, expected at most 2^32 in all. Sample shards, then inside them.`,
    );
  }
  if (!ranks) return count * copies;

  checkRanks(who, ranks);
  const { worldSize } = ranks;
  if (count > 0 && count < worldSize) {
    throw new RangeError(
      `${who}: samples is ${count} for ${worldSize} ranks, expected at least one for each. ` +
        `Use at most ${count} ranks, or more samples.`,
    );
  }
  return Math.ceil(count / worldSize) * copies;
}

function checkIndices(who: string, indices: ArrayLike<number>): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (index === index >>> 0) continue;
    throw new RangeError(
      `${who}: samples[${i}] is ${index}, expected a whole number in [0, 2^32). Pass indices of samples.`,
    );
  }
}

function checkRanks(who: string, { rank, worldSize, shards }: RankOptions): void {
  checkCount(`${who}: ranks.worldSize`, worldSize, 1, "Pass how many processes train together.");
  if (!(Number.isSafeInteger(rank) && rank >= 0 && rank < worldSize)) {
    throw new RangeError(
      `${who}: ranks.rank is ${rank} of ${worldSize}, expected a whole number in [0, ${worldSize}). Count from 0.`,
    );
  }
  if (!shards) return;
  const { ranksPerNode } = shards;
  checkCount(`${who}: ranks.shards.ranksPerNode`, ranksPerNode, 1, "Pass the processes on each machine.");
  if (worldSize % ranksPerNode !== 0) {
    throw new RangeError(
      `${who}: ranks.shards.ranksPerNode is ${ranksPerNode}, expected a divisor of the worldSize ${worldSize}. ` +
        "Give every node as many ranks, or leave shards out.",
    );
  }
}

/**
 * The samples that one rank sees in one epoch, in order; every rank gets as many, filled up from the start of the list.
 *
 * Memory: 4 bytes for each sample, and with ranks or repeats 4 for each that this rank sees.
 */
export function orderSamples(options: OrderOptions, epoch: number, random: EpochRandom): Uint32Array {
  const { samples, shuffle = true, repeats = 1, truncateRepeats = false, ranks } = options;
  const { rank = 0, worldSize = 1, shards } = ranks ?? {};
  const all = listSamples(samples, worldSize);

  let list = all;
  let first = rank;
  let stride = worldSize;
  if (shards) {
    stride = shards.ranksPerNode;
    first = rank % stride;
    const perNode = (all.length * stride) / worldSize;
    const node = Math.floor(rank / stride);
    list = all.subarray(node * perNode, (node + 1) * perNode);
  }
  const fromEpoch = typeof shuffle === "object" ? shuffle.fromEpoch : shuffle ? 0 : Infinity;
  if (epoch >= fromEpoch && shards?.shuffle !== false) random.shuffle(list);
  if (stride === 1 && repeats === 1) return list;

  // Copies stand side by side before the ranks take turns, so they land on neighbours.
  const length = list.length * (truncateRepeats ? 1 : repeats);
  const mine = new Uint32Array(length / stride);
  for (let i = 0; i < mine.length; i++) mine[i] = list[Math.floor((first + i * stride) / repeats)] as number;
  return mine;
}

/** The indices of the samples, and so many of the first ones again that they divide by `multiple`. */
function listSamples(samples: number | ArrayLike<number>, multiple: number): Uint32Array {
  const count = typeof samples === "number" ? samples : samples.length;
  const list = new Uint32Array(Math.ceil(count / multiple) * multiple);
  if (typeof samples === "number") for (let i = 0; i < count; i++) list[i] = i;
  else list.set(samples);
  list.copyWithin(count, 0, list.length - count);
  return list;
}
