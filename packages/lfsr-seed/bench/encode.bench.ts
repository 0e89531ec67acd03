import { availableParallelism } from "node:os";
import process from "node:process";
import type { Bench, Contender } from "../../../tools/bench/harness.ts";
import type { BlockSearch, BlockSearchOptions } from "../src/codec/block-search.ts";
import { type LfsrConfig, lfsrConfig } from "../src/codec/config.ts";
import { referenceSearch } from "../src/codec/reference-search.ts";
import { encoderModule } from "../src/search/encoder-module.ts";
import { threadSearch } from "../src/search/thread-search.ts";
import { workerSearch } from "../src/search/worker-search.ts";
import { specGaussian } from "../test/spec-data.ts";

const CASES = [
  { name: "4 bits, (8, 3, 16)", config: lfsrConfig({ bits: 4 }) },
  { name: "3 bits, (12, 4, 16)", config: lfsrConfig({ bits: 3 }) },
  { name: "4.5 bits, (8, 4, 16)", config: lfsrConfig({ bits: 4.5 }) },
  { name: "4 bits, every 8th state", config: lfsrConfig({ C: 8, P: 3, decimation: 8 }) },
];
/** Blocks of a run; plain JavaScript takes a part of them, and its time is multiplied. */
const BLOCKS = 8192;
const PART = 128;

const bench: Bench = {
  name: "encode",
  description:
    "The seed search by rule best, over all 65535 seeds, Gaussian weights: one WebAssembly thread and worker threads " +
    `against plain JavaScript (the reference encoder, float64, pruned), which codes 1/${PART} of the blocks.`,

  async run({ compare, record }) {
    const module = await encoderModule();
    const cores = availableParallelism();
    for (const { name, config } of CASES) {
      const blocks = specGaussian(12345, BLOCKS * config.C);
      const part = blocks.slice(0, blocks.length / PART);
      await using one = workerSearch({ module, workers: 1, workerUrl: undefined });
      await using all = workerSearch({ module, workers: cores, workerUrl: undefined });
      const contenders = [
        contender("one thread", threadSearch(module), blocks, config),
        contender("1 worker", one, blocks, config),
        contender(`${cores} workers`, all, blocks, config),
        contender("plain JavaScript", referenceSearch(), part, config, PART),
      ] as const;
      const [ours, ...peers] = contenders;
      const { standings } = await compare({
        name: `${name}: ${blocks.length} weights`,
        ...{ ours, peers, rounds: 12, warmup: 1 },
      });
      const best = standings.map(({ ms }) => Math.min(...ms));
      for (const [i, { name: who, ms }] of standings.entries()) {
        const rate = (time = 0) => (blocks.length / time).toFixed(0);
        const median = ms.toSorted((a, b) => a - b)[ms.length >> 1];
        const cpu = Math.min(...(contenders[i]?.cpuMs ?? []));
        console.log(
          `  ${who}: ${rate(median)} k weights/s, at best ${rate(best[i])}; ${rate(cpu)} a second of processor time`,
        );
      }
      const [, alone = 0, together = 0] = best;
      record(`${name}: ${cores} workers against one, best rounds`, alone / together);
    }
  },
};

function contender(
  name: string,
  search: BlockSearch,
  blocks: Float32Array<ArrayBuffer>,
  config: LfsrConfig,
  times = 1,
): Contender & { readonly cpuMs: number[] } {
  const options: BlockSearchOptions = {
    config,
    exponentRule: "best",
    expBias: -13,
    nSeeds: 2 ** config.K - 1,
  };
  const cpuMs: number[] = []; // of all threads: what a busy machine does not change
  return {
    name,
    cpuMs,
    async run() {
      const start = performance.now();
      const before = process.cpuUsage();
      await search.search({ blocks }, options);
      const { user, system } = process.cpuUsage(before);
      cpuMs.push(((user + system) / 1000) * times);
      return (performance.now() - start) * times;
    },
  };
}

export default bench;
