import { abortable, throwIfAborted } from "@corenet/core";
import { startWorker } from "@corenet/core/platform";
import {
  type BlockBatch,
  type BlockCodes,
  type BlockSearchOptions,
  emptyBlockCodes,
} from "../../codec/block-search.ts";
import type { LfsrConfig } from "../../codec/config.ts";
import { coreCount, createSearch, type SearchOptions } from "../create-search.ts";
import {
  createEncoder,
  type EncoderExports,
  type EncoderTile,
  encoderSetup,
  encodeTile,
  foundBytes,
  readCodes,
} from "../encoder.ts";
import { encoderModule } from "../encoder-module.ts";
import { WorkerPool } from "../worker-pool.ts";
import type { WorkerSearch } from "../worker-search.ts";
import { GROUP, hitsShader, largestShader, RUN, scoreShader, WORKGROUP } from "./shaders.ts";

/** Blocks scored at once: their maxima take 64 MiB where K is 16. */
const BATCH = 4096;
/** Batches on their way at once: while one is scored, others are decided on by the workers, or read. */
const SLOTS = 3;
/** Blocks that a worker gets at once: a millisecond's work. */
const TILE = 512;
const WARM = 32;

/** Dispose it to free what it holds on the device, which stays with its owner, and to end its workers. */
export type WebGpuSearch = WorkerSearch;

/**
 * The search with its scores on a GPU: float32 there, and what may win is decided in float64 on worker threads, so that the
 * codes are those of every other search. The device is lent, not owned. What needs another search (an importance for each
 * weight, C above 16, P above 4, K outside 10..17) is left to the workers alone.
 *
 * A seed costs about 12 operations and C / 4 reads of workgroup memory for each block, 65535 seeds and 8 weights a
 * block 98 k operations a weight; of the 4096 groups of seeds that a block has then about five are left to the workers, some
 * 5 us of one core a block.
 */
export async function webGpuSearch(device: GPUDevice, options: SearchOptions = {}): Promise<WebGpuSearch> {
  const module = await encoderModule();
  const encoder = createEncoder(module);
  const others = await createSearch(options);
  const pool = new WorkerPool({
    module,
    workers: options.workers ?? coreCount(),
    workerUrl: options.workerUrl,
    start: startWorker,
  });
  const slots = new Slots();

  const dispose = async () => {
    slots.dispose();
    await Promise.all([others.dispose(), pool.stop()]);
  };

  return {
    batchBlocks: BATCH * SLOTS,
    async search(batch, searchOptions) {
      const { config, signal } = searchOptions;
      const { C, P, K } = config;
      throwIfAborted(signal);
      const isShared = batch.importance === undefined || batch.importance.length === C;
      if (!isShared || C > 16 || P > 4 || K < 10 || K > 17) return others.search(batch, searchOptions);
      const hasWorkers = options.workers !== 0 && (await abortable(pool.start(), signal));
      const owner = {};
      const stop = new AbortController();
      const codes = emptyBlockCodes(batch.blocks.length / C, config);
      const run = (tile: EncoderTile) =>
        hasWorkers
          ? abortable(pool.run(tile, owner), stop.signal)
          : Promise.resolve(encodeTile(encoder, tile));
      const makeScorer = () => {
        encoder.configure(...encoderSetup(searchOptions, TILE));
        if (batch.importance)
          new Float64Array(encoder.memory.buffer, encoder.importanceAddress()).set(batch.importance);
        encoder.prepareScoring(batch.importance ? 1 : 0);
        return new Scorer(device, config, encoder);
      };
      const all = Array.from({ length: Math.ceil(codes.seeds.length / BATCH) }, async (_, i) => {
        const first = i * BATCH;
        const blocks = batch.blocks.slice(first * C, (first + BATCH) * C);
        await slots.use(`${encoderSetup(searchOptions, TILE)}: ${batch.importance}`, makeScorer, (scorer) =>
          searchBatch(scorer, run, { blocks, importance: batch.importance }, searchOptions, first, codes),
        );
      });
      const alive = setInterval(() => {}, 2 ** 30); // workers do not keep a Node process alive: waiting for them must
      try {
        await abortable(Promise.all(all), signal);
      } catch (reason) {
        stop.abort(reason); // batches under way end, and free their scorers
        await pool.cancel(owner);
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

/** Scorers for one configuration and importance, SLOTS at most, each lent to one batch at a time. */
class Slots {
  #key = "";
  #lent = 0;
  readonly #free: Scorer[] = [];
  readonly #waiting: (() => void)[] = [];

  async use(key: string, make: () => Scorer, work: (scorer: Scorer) => Promise<void>): Promise<void> {
    const fits = () => this.#lent === 0 || (key === this.#key && this.#lent < SLOTS);
    while (!fits()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (key !== this.#key) {
      this.dispose();
      this.#key = key;
    }
    this.#lent++;
    const scorer = this.#free.pop() ?? make();
    try {
      await work(scorer);
    } finally {
      if (key === this.#key) this.#free.push(scorer);
      else scorer.dispose();
      this.#lent--;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  dispose(): void {
    for (const scorer of this.#free.splice(0)) scorer.dispose();
    this.#key = "";
  }
}

/** Up to BATCH blocks, all the way. */
async function searchBatch(
  scorer: Scorer,
  run: (tile: EncoderTile) => Promise<ArrayBuffer>,
  { blocks, importance }: BlockBatch,
  options: BlockSearchOptions,
  first: number,
  codes: BlockCodes,
): Promise<void> {
  const { config, expBias, signal } = options;
  const { C, P } = config;
  const n = blocks.length / C;
  throwIfAborted(signal);
  const largest = await scorer.score(scaledBlocks(blocks, importance, C), n);
  throwIfAborted(signal);
  const setup = encoderSetup(options, TILE);
  const tiles = Array.from({ length: Math.ceil(n / TILE) }, (_, i) => {
    const [from, to] = [i * TILE, Math.min(n, (i + 1) * TILE)];
    return { from, to, work: { setup, expBias, importance, blocks: blocks.slice(from * C, to * C) } };
  });

  const thresholds = new Float32Array(BATCH).fill(Infinity);
  const bounds = await Promise.all(
    tiles.map(({ from, to, work }) =>
      run({ ...work, stage: "bound", inbox: bytesOf(largest.slice(from, to)) }),
    ),
  );
  for (const [i, { from, to }] of tiles.entries())
    thresholds.set(new Float32Array(bounds[i] as ArrayBuffer, 0, to - from), from);
  throwIfAborted(signal);

  const hits = await scorer.hits(thresholds);
  throwIfAborted(signal);
  await Promise.all(
    tiles.map(async ({ from, to, work }, i) => {
      const found = new Uint8Array(bounds[i] as ArrayBuffer, 4 * (to - from), (to - from) * foundBytes(P));
      const tile: EncoderTile = hits
        ? { ...work, stage: "finish", inbox: hitsInbox(hits, from, to, found) }
        : work;
      readCodes(await run(tile), config, first + from, codes);
    }),
  );
}

function bytesOf(numbers: Uint32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** What stage `finish` takes of blocks [from, to). */
function hitsInbox(
  { begins, groups, scores }: Hits,
  from: number,
  to: number,
  found: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const [begin, end] = [begins[from] as number, begins[to] as number];
  const inbox = new Uint8Array(found.length + 4 * (to - from + 1) + 8 * (end - begin));
  inbox.set(found);
  const words = new Uint32Array(inbox.buffer, found.length);
  for (let block = from; block <= to; block++) words[block - from] = (begins[block] as number) - begin;
  words.set(groups.subarray(begin, end), to - from + 1);
  new Float32Array(inbox.buffer, found.length + 4 * (to - from + 1 + end - begin)).set(
    scores.subarray(begin, end),
  );
  return inbox;
}

/** `h w / sqrt(sum h w^2) / sqrt(sum h)` [C, BATCH]: a block has norm 1, and so have vectors of signs. */
function scaledBlocks(
  blocks: Float32Array,
  h: Float64Array | undefined,
  C: number,
): Float32Array<ArrayBuffer> {
  const scaled = new Float32Array(C * BATCH);
  let total = 0;
  for (let c = 0; c < C; c++) total += h?.[c] ?? 1;
  for (let i = 0; i < blocks.length / C; i++) {
    const w = blocks.subarray(i * C, (i + 1) * C);
    let norm = 0;
    for (let c = 0; c < C; c++) norm += (w[c] as number) ** 2 * (h?.[c] ?? 1);
    const scale = norm > 0 ? 1 / Math.sqrt(norm) / Math.sqrt(total) : 0;
    for (let c = 0; c < C; c++) scaled[c * BATCH + i] = (w[c] as number) * scale * (h?.[c] ?? 1);
  }
  return scaled;
}

/** The groups that reach the threshold of each block: those of block i are [begins[i], begins[i + 1]). */
interface Hits {
  readonly begins: Uint32Array;
  readonly groups: Uint32Array;
  readonly scores: Float32Array;
}

const hitRoom = 64 * BATCH;

/** What lies on the device for one configuration and importance. */
class Scorer {
  readonly #device: GPUDevice;
  readonly #groups: number;
  #blocks = 0;
  readonly #buffers: Record<
    | "weights"
    | "patterns"
    | "coefficients"
    | "maxima"
    | "largest"
    | "thresholds"
    | "count"
    | "hits"
    | "sizes",
    GPUBuffer
  >;
  readonly #pipelines: Record<"score" | "largest" | "hits", GPUComputePipeline>;

  constructor(device: GPUDevice, config: LfsrConfig, encoder: EncoderExports) {
    const { C, P, K } = config;
    this.#device = device;
    this.#groups = Math.ceil((2 ** K - 1) / GROUP);
    const steps = this.#groups * GROUP;
    const storage = (bytes: number) =>
      device.createBuffer({ size: bytes, usage: GPU.storage | GPU.copyFrom | GPU.copyTo });
    const filled = (data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) => {
      const buffer = storage(data.byteLength);
      device.queue.writeBuffer(buffer, 0, data);
      return buffer;
    };
    const sizes = device.createBuffer({ size: 16, usage: GPU.uniform | GPU.copyTo });
    device.queue.writeBuffer(sizes, 0, Uint32Array.of(BATCH, this.#groups, 0, 0));
    const coefficients = new Float32Array(
      encoder.memory.buffer,
      encoder.coefficientsAddress(),
      (steps * P * (P + 1)) / 2,
    );
    this.#buffers = {
      weights: storage(C * BATCH * 4),
      patterns: filled(stepPatterns(config, encoder, steps)),
      coefficients: filled(coefficients.slice()),
      maxima: storage(this.#groups * BATCH * 4),
      largest: storage(BATCH * 4),
      thresholds: storage(BATCH * 4),
      count: storage(4),
      hits: storage(hitRoom * 16),
      sizes,
    };
    const pipeline = (code: string) =>
      device.createComputePipeline({
        layout: "auto",
        compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
      });
    this.#pipelines = {
      score: pipeline(scoreShader(config)),
      largest: pipeline(largestShader),
      hits: pipeline(hitsShader),
    };
  }

  /** Scores `blocks` blocks, weights [C, BATCH]; returns the group of the largest score of each. */
  async score(weights: Float32Array<ArrayBuffer>, blocks: number): Promise<Uint32Array<ArrayBuffer>> {
    this.#blocks = blocks;
    const buffers = this.#buffers;
    this.#device.queue.writeBuffer(buffers.weights, 0, weights);
    const commands = this.#device.createCommandEncoder();
    const { patterns, coefficients, maxima, largest, sizes } = buffers;
    this.#run(commands, "score", [buffers.weights, patterns, coefficients, maxima, sizes], this.#runs());
    this.#run(commands, "largest", [maxima, largest, sizes], 1);
    this.#device.queue.submit([commands.finish()]);
    return new Uint32Array(await this.#read(largest, BATCH * 4));
  }

  /** After `score`. Undefined where there are too many to list. */
  async hits(thresholds: Float32Array<ArrayBuffer>): Promise<Hits | undefined> {
    const { maxima, count, hits, sizes, thresholds: limits } = this.#buffers;
    this.#device.queue.writeBuffer(limits, 0, thresholds);
    this.#device.queue.writeBuffer(count, 0, Uint32Array.of(0));
    const commands = this.#device.createCommandEncoder();
    this.#run(commands, "hits", [maxima, limits, count, hits, sizes], this.#runs());
    this.#device.queue.submit([commands.finish()]);
    const [n = 0] = new Uint32Array(await this.#read(count, 4));
    if (n > hitRoom) return undefined;
    return sortedHits(await this.#read(hits, n * 16));
  }

  dispose(): void {
    for (const buffer of Object.values(this.#buffers)) buffer.destroy();
  }

  #runs(): number {
    return Math.ceil(this.#groups / RUN);
  }

  #run(
    commands: GPUCommandEncoder,
    name: "score" | "largest" | "hits",
    buffers: GPUBuffer[],
    runs: number,
  ): void {
    const pipeline = this.#pipelines[name];
    const pass = commands.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    pass.setBindGroup(0, this.#device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(Math.ceil(this.#blocks / WORKGROUP), runs);
    pass.end();
  }

  async #read(from: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    if (bytes === 0) return new ArrayBuffer(0);
    const staging = this.#device.createBuffer({ size: bytes, usage: GPU.mapRead | GPU.copyTo });
    const commands = this.#device.createCommandEncoder();
    commands.copyBufferToBuffer(from, 0, staging, 0, bytes);
    this.#device.queue.submit([commands.finish()]);
    await staging.mapAsync(1); // to read
    const copy = staging.getMappedRange().slice(0);
    staging.destroy();
    return copy;
  }
}

/** GPUBufferUsage, whose global is missing where the device comes from a package. */
const GPU = { mapRead: 0x1, copyFrom: 0x4, copyTo: 0x8, uniform: 0x40, storage: 0x80 } as const;

/** The signs that the weights of a block meet at each step, bit c for weight c, from WARM steps before the first. */
function stepPatterns({ C, P, K, decimation }: LfsrConfig, encoder: EncoderExports, steps: number) {
  const tables = Math.ceil(C / 8);
  const bits = Math.ceil(C / tables);
  const period = 2 ** K - 1;
  const halves = new Uint16Array(encoder.memory.buffer, encoder.patternsAddress(), period * tables);
  return Uint32Array.from({ length: WARM + steps + P * decimation }, (_, i) => {
    const step = (i - WARM + WARM * period) % period;
    let pattern = 0;
    for (let table = 0; table < tables; table++)
      pattern |= (halves[step * tables + table] as number) << (bits * table);
    return pattern;
  });
}

/** Hits (block, group, score, 0), in any order, by blocks. */
function sortedHits(listed: ArrayBuffer): Hits {
  const ints = new Uint32Array(listed);
  const floats = new Float32Array(listed);
  const n = ints.length / 4;
  const begins = new Uint32Array(BATCH + 2);
  for (let i = 0; i < n; i++)
    begins[(ints[4 * i] as number) + 2] = (begins[(ints[4 * i] as number) + 2] as number) + 1;
  for (let i = 1; i < begins.length; i++) begins[i] = (begins[i] as number) + (begins[i - 1] as number);
  // Entry b + 1 is where the next hit of block b goes, and at the end where those of block b + 1 begin.
  const groups = new Uint32Array(n);
  const scores = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const block = ints[4 * i] as number;
    const to = begins[block + 1] as number;
    begins[block + 1] = to + 1;
    groups[to] = ints[4 * i + 1] as number;
    scores[to] = floats[4 * i + 2] as number;
  }
  return { begins, groups, scores };
}
