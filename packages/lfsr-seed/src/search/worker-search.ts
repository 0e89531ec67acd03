import { abortable, throwIfAborted } from "@corenet/core";
import { startWorker } from "@corenet/core/platform";
import { type BlockSearch, emptyBlockCodes } from "../codec/block-search.ts";
import { encoderTakes, readCodes, tilesOf } from "./encoder.ts";
import { threadSearch } from "./thread-search.ts";
import { WorkerPool, type WorkerPoolOptions } from "./worker-pool.ts";

export interface WorkerSearch extends BlockSearch {
  /** Ends the workers. A later search would start new ones. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The search on worker threads: of Node, or of the browser, from `workerUrl`, else from a blob, and where neither is
 * allowed on the calling thread. Codes do not depend on the number of workers. Aborting ends the workers at once.
 */
export function workerSearch({
  start = startWorker,
  ...options
}: Omit<WorkerPoolOptions, "start"> & Partial<WorkerPoolOptions>): WorkerSearch {
  const pool = new WorkerPool({ ...options, start });
  const alone = threadSearch(options.module);
  const dispose = () => pool.stop();

  return {
    batchBlocks: 4096 * Math.max(1, options.workers),

    async search(batch, searchOptions) {
      const { config, signal } = searchOptions;
      throwIfAborted(signal);
      if (!encoderTakes(config)) return alone.search(batch, searchOptions);

      const owner = {};
      const codes = emptyBlockCodes(batch.blocks.length / config.C, config);
      const alive = setInterval(() => {}, 2 ** 30); // workers do not keep a Node process alive: waiting for them must
      try {
        if (!(await abortable(pool.start(), signal))) return await alone.search(batch, searchOptions);
        const all = Array.from(tilesOf(batch, searchOptions), async (tile) =>
          readCodes(await pool.run(tile, owner), config, tile.first, codes),
        );
        await abortable(Promise.all(all), signal);
      } catch (reason) {
        if (signal?.aborted) await pool.cancel(owner);
        throw reason;
      } finally {
        clearInterval(alive);
      }
      return codes;
    },

    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
