import { OutOfMemoryError } from "@corenet/core";
import type { BlockBatch, BlockCodes, BlockSearchOptions } from "../codec/block-search.ts";
import type { LfsrConfig } from "../codec/config.ts";

/** What assembly/encode exports. Addresses are bytes. */
export interface EncoderExports {
  readonly memory: WebAssembly.Memory;
  configure(...setup: readonly number[]): number;
  importanceAddress(): number;
  blocksAddress(): number;
  codesAddress(): number;
  encode(count: number, expBias: number, importance: 0 | 1 | 2): void;
  /** For those who score elsewhere: what they score by, and the two halves of what is left of `encode`. */
  prepareScoring(importance: 0 | 1): void;
  coefficientsAddress(): number;
  patternsAddress(): number;
  inbox(bytes: number): number;
  bound(count: number, expBias: number, importance: 0 | 1): void;
  finish(count: number, expBias: number, importance: 0 | 1): void;
}

/** Blocks that one call codes at most; fewer where there are more seeds, so that it takes some 10 ms. */
const tileBlocks = 256;
/** The same for blocks with an importance: their tables are made anew for each, which takes some 30 ms. */
const weightedTileBlocks = 1024;

const rules = ["paper-literal", "fit", "best"] as const;

/** The arguments of `configure`: what a search is prepared for, and how many blocks it gets at most at a time. */
export function encoderSetup(
  { config, nSeeds, exponentRule }: BlockSearchOptions,
  capacity: number,
): number[] {
  const { C, P, K, taps, decimation } = config;
  return [C, P, K, taps, decimation, nSeeds, rules.indexOf(exponentRule), capacity];
}

/** Some blocks to be coded by one encoder at once, or for a part of the way. */
export interface EncoderTile {
  /**
   * `bound`: from groups of seeds with the largest scores, i32 [n] in `inbox`, to the scores from which on a seed may win and
   * the best codes so far. `finish`: from these codes and the groups that reach the scores to the best codes. Both as in
   * assembly/encode/index.ts. @default all of it
   */
  readonly stage?: "bound" | "finish";
  readonly inbox?: Uint8Array<ArrayBuffer>;
  readonly setup: readonly number[];
  /** [n, C] */
  readonly blocks: Float32Array<ArrayBuffer>;
  /** [C] for all or [n, C]. */
  readonly importance: Float64Array<ArrayBuffer> | undefined;
  readonly expBias: number;
}

/** Whether the module takes a configuration; others are left to the reference. */
export function encoderTakes({ P, K }: LfsrConfig): boolean {
  return P <= 8 && 2 ** K * P * (P + 1) <= 2 ** 30; // candidates are numbered below 2^16, tables stay below 4 GiB
}

/** One instance of the module, with its memory: the search on the thread at hand. */
export function createEncoder(module: WebAssembly.Module): EncoderExports {
  return new WebAssembly.Instance(module).exports as WebAssembly.Exports & EncoderExports;
}

/**
 * The codes of a tile, as the module writes them: `readCodes` takes them apart. Of stage `bound` what it leaves in the inbox.
 *
 * The program of the workers has the same steps, in `worker-source.ts`.
 *
 * @throws OutOfMemoryError when the tables do not fit
 */
export function encodeTile(
  encoder: EncoderExports,
  { stage, inbox, setup, blocks, importance, expBias }: EncoderTile,
): ArrayBuffer {
  const [C = 0, P = 0] = setup;
  const count = blocks.length / C;
  const left = count * (4 + foundBytes(P));
  const box = encoder.configure(...setup) && encoder.inbox(Math.max(left, inbox?.length ?? 0));
  if (!box) {
    throw new OutOfMemoryError(
      `lfsr encoder: the tables for (C, P, K) = (${setup.slice(0, 3)}) do not fit into memory. Use a smaller K.`,
    );
  }
  new Float32Array(encoder.memory.buffer, encoder.blocksAddress()).set(blocks);
  if (importance) new Float64Array(encoder.memory.buffer, encoder.importanceAddress()).set(importance);
  if (inbox) new Uint8Array(encoder.memory.buffer, box).set(inbox);
  if (stage) encoder[stage](count, expBias, importance ? 1 : 0);
  else encoder.encode(count, expBias, importance === undefined ? 0 : importance.length === C ? 1 : 2);
  if (stage === "bound") return encoder.memory.buffer.slice(box, box + left);
  const codes = encoder.codesAddress();
  return encoder.memory.buffer.slice(codes, codes + count * codeBytes(P));
}

/** Bytes of the best code so far of one block: error f64, seed, exponent, order, coefficients i32 [P], up to a multiple of 8. */
export function foundBytes(P: number): number {
  return 24 + 8 * Math.ceil(P / 2);
}

/** Bytes of one block's code: seed u32, exponent code u32, error f64, coefficients i8 [P], up to a multiple of 8. */
export function codeBytes(P: number): number {
  return 16 + 8 * Math.ceil(P / 8);
}

/** Puts the codes of `count` blocks, as the module wrote them, into `codes` from block `first` on. */
export function readCodes(bytes: ArrayBuffer, { P }: LfsrConfig, first: number, codes: BlockCodes): void {
  const view = new DataView(bytes);
  const stride = codeBytes(P);
  for (let at = 0, block = first; at < bytes.byteLength; at += stride, block++) {
    codes.seeds[block] = view.getUint32(at, true);
    codes.exponentCodes[block] = view.getUint32(at + 4, true);
    codes.errors[block] = view.getFloat64(at + 8, true);
    codes.q.set(new Int8Array(bytes, at + 16, P), block * P);
  }
}

/** Cuts a batch into tiles; `first` is where each begins. */
export function* tilesOf(
  { blocks, importance }: BlockBatch,
  options: BlockSearchOptions,
): Generator<EncoderTile & { readonly first: number }> {
  const { C } = options.config;
  const most = importance ? weightedTileBlocks : tileBlocks;
  const setup = encoderSetup(options, most);
  const n = blocks.length / C;
  const isShared = importance === undefined || importance.length === C;
  const quick = Math.max(16, Math.min(most, (most / 256) * 2 ** (24 - options.config.K)));
  const size = isShared ? quick : quick / 16; // a block with an importance of its own takes as long as many others
  for (let first = 0; first < n; first += size) {
    const part = [first * C, Math.min(n, first + size) * C] as const;
    yield {
      first,
      setup,
      blocks: blocks.slice(...part),
      importance: isShared ? importance : importance.slice(...part),
      expBias: options.expBias,
    };
  }
}
