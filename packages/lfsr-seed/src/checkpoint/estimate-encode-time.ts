import { Rng } from "@corenet/core";
import type { BlockSearch } from "../codec/block-search.ts";
import { type LfsrBits, type LfsrConfig, lfsrConfig } from "../codec/config.ts";
import { defaultSearch } from "../search/default-search.ts";

export interface EncodeEstimate {
  readonly weightsPerSecond: number;
  readonly ms: number;
}

/**
 * How long so many weights would take: times the search on Gaussian blocks for about `budgetMs`, after a first batch
 * that builds its tables.
 *
 * @throws RangeError when `weights` is not a number >= 0
 * @throws `signal.reason` when aborted
 */
export async function estimateEncodeTime(
  weights: number,
  options: {
    bits?: LfsrBits | undefined;
    config?: LfsrConfig | undefined;
    /** @default what `encodeTensor` takes for so many weights: workers on all cores */
    search?: BlockSearch | undefined;
    /** @default 500 */
    budgetMs?: number | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<EncodeEstimate> {
  if (!(weights >= 0)) {
    throw new RangeError(
      `estimateEncodeTime: weights is ${weights}, expected a number >= 0. Count them first.`,
    );
  }
  if (options.search) return estimateBy(options.search, weights, options);
  await using search = await defaultSearch(weights);
  return await estimateBy(search, weights, options);
}

async function estimateBy(
  search: BlockSearch,
  weights: number,
  {
    bits,
    config = lfsrConfig({ bits }),
    budgetMs = 500,
    signal,
  }: NonNullable<Parameters<typeof estimateEncodeTime>[1]>,
): Promise<EncodeEstimate> {
  const { C, K } = config;
  const rng = new Rng("estimateEncodeTime");
  const run = async (n: number): Promise<number> => {
    const blocks = rng.fillNormal(new Float32Array(n * C)) as Float32Array<ArrayBuffer>;
    const began = performance.now();
    await search.search(
      { blocks },
      { config, exponentRule: "best", expBias: -8, nSeeds: 2 ** K - 1, signal },
    );
    return performance.now() - began;
  };
  await run(Math.min(512, search.batchBlocks)); // two workers at least make their tables
  // Batches grow to the size that the search likes, or until one fills the time.
  for (let n = 16; ; n *= 2) {
    const isFull = n >= search.batchBlocks;
    const size = Math.min(n, search.batchBlocks);
    const ms = await run(size);
    if (!isFull && ms < budgetMs / 2) continue;
    const weightsPerSecond = (size * C * 1000) / ms;
    return { weightsPerSecond, ms: (1000 * weights) / weightsPerSecond };
  }
}
