import { throwIfAborted } from "@corenet/core";
import {
  type BlockBatch,
  type BlockCodes,
  type BlockSearch,
  type BlockSearchOptions,
  emptyBlockCodes,
} from "../../codec/block-search.ts";
import type { LfsrConfig } from "../../codec/config.ts";
import { codeBytes, createEncoder, type EncoderExports, encoderSetup, readCodes } from "../encoder.ts";
import { encoderModule } from "../encoder-module.ts";
import { threadSearch } from "../thread-search.ts";
import { GROUP, hitsShader, largestShader, RUN, scoreShader, WORKGROUP } from "./shaders.ts";

/** Blocks scored at once: their maxima take 64 MiB where K is 16. */
const BATCH = 4096;
/** Blocks that the encoder module codes at once. */
const LANES = 16;
const MAX_HITS = 256;
const WARM = 32;

export interface WebGpuSearch extends BlockSearch {
  /** Frees what the search holds on the device, which stays with its owner. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/**
 * The search with its scores on a GPU: float32 there, and what may win is decided in float64 here, so that the codes
 * are those of every other search. The device is lent, not owned. What needs another search (an importance for each
 * weight, C above 16, P above 4, K outside 10..17) goes to the calling thread.
 *
 * A seed costs about 12 operations and C / 4 reads of workgroup memory for each block, 65535 seeds and 8 weights a
 * block 98 k operations a weight; the CPU then takes some 6 us a block.
 */
export async function webGpuSearch(device: GPUDevice): Promise<WebGpuSearch> {
  const module = await encoderModule();
  const alone = threadSearch(module);
  const encoder = createEncoder(module);
  let scorer: Scorer | undefined;

  const dispose = () => {
    scorer?.dispose();
    scorer = undefined;
  };

  return {
    batchBlocks: BATCH,
    async search(batch, options) {
      const { config, signal } = options;
      const { C, P, K } = config;
      const isShared = batch.importance === undefined || batch.importance.length === C;
      if (!isShared || C > 16 || P > 4 || K < 10 || K > 17) return alone.search(batch, options);
      const setup = encoderSetup(options, BATCH);
      const key = `${setup}: ${batch.importance}`;
      encoder.configure(...setup);
      if (batch.importance) {
        new Float64Array(encoder.memory.buffer, encoder.importanceAddress()).set(batch.importance);
      }
      encoder.prepareScoring(batch.importance ? 1 : 0);
      if (scorer?.key !== key) {
        dispose();
        scorer = new Scorer(device, config, encoder, key);
      }
      const codes = emptyBlockCodes(batch.blocks.length / C, config);
      for (let first = 0; first < codes.seeds.length; first += BATCH) {
        throwIfAborted(signal);
        const blocks = batch.blocks.subarray(first * C, (first + BATCH) * C);
        await searchBatch(scorer, encoder, { blocks, importance: batch.importance }, options, first, codes);
      }
      return codes;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** Up to BATCH blocks, all the way. */
async function searchBatch(
  scorer: Scorer,
  encoder: EncoderExports,
  { blocks, importance }: BlockBatch,
  { config, expBias, signal }: BlockSearchOptions,
  first: number,
  codes: BlockCodes,
): Promise<void> {
  const { C, P } = config;
  const n = blocks.length / C;
  const largest = await scorer.score(scaledBlocks(blocks, importance, C), n);
  throwIfAborted(signal);

  const { buffer } = encoder.memory;
  new Float32Array(buffer, encoder.blocksAddress()).set(blocks);
  const largestGroups = new Uint32Array(buffer, encoder.largestGroupsAddress(), LANES);
  const laneThresholds = new Float32Array(buffer, encoder.thresholdsAddress(), LANES);
  const thresholds = new Float32Array(BATCH).fill(Infinity);
  for (let block = 0; block < n; block += LANES) {
    largestGroups.set(largest.subarray(block, block + LANES));
    encoder.bound(block, Math.min(LANES, n - block), expBias);
    thresholds.set(laneThresholds, block);
  }

  const hits = await scorer.hits(thresholds);
  throwIfAborted(signal);
  for (let block = 0; block < n; block += LANES) {
    const lanes = Math.min(LANES, n - block);
    if (hits && putHits(encoder, hits, block, lanes)) encoder.finish(block, lanes, expBias);
    else encoder.encodeLanes(block, lanes, expBias);
  }
  const address = encoder.codesAddress();
  readCodes(buffer.slice(address, address + n * codeBytes(P)), config, first, codes);
}

/** Gives the encoder the hits of its lanes. False where one has more than it takes. */
function putHits(
  encoder: EncoderExports,
  { begins, groups, scores }: Hits,
  block: number,
  lanes: number,
): boolean {
  const { buffer } = encoder.memory;
  const counts = new Int32Array(buffer, encoder.hitCountsAddress(), LANES);
  const laneGroups = new Uint32Array(buffer, encoder.hitsAddress(), LANES * MAX_HITS);
  const laneScores = new Float32Array(buffer, encoder.hitScoresAddress(), LANES * MAX_HITS);
  for (let lane = 0; lane < lanes; lane++) {
    const begin = begins[block + lane] as number;
    const end = begins[block + lane + 1] as number;
    if (end - begin > MAX_HITS) return false;
    counts[lane] = end - begin;
    laneGroups.set(groups.subarray(begin, end), lane * MAX_HITS);
    laneScores.set(scores.subarray(begin, end), lane * MAX_HITS);
  }
  return true;
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
  readonly key: string;
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

  constructor(device: GPUDevice, config: LfsrConfig, encoder: EncoderExports, key: string) {
    const { C, P, K } = config;
    this.key = key;
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
  async score(weights: Float32Array<ArrayBuffer>, blocks: number): Promise<Uint32Array> {
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
