import { throwIfAborted, yieldToEventLoop } from "@corenet/core";
import type { LfsrConfig } from "./config.ts";
import { encodeBlock } from "./encode-block.ts";
import type { ExponentRule } from "./exponent-rule.ts";
import { createSeedLibrary, type SeedLibrary } from "./seed-library.ts";

/** Blocks to be coded together. */
export interface BlockBatch {
  /** Finite weights [n, C]. */
  readonly blocks: Float32Array<ArrayBuffer>;
  /** Importance h > 0 of the weights, shared by all blocks [C] or one each [n, C]; ones where nothing is said. */
  readonly importance?: Float64Array<ArrayBuffer> | undefined;
}

export interface BlockSearchOptions {
  readonly config: LfsrConfig;
  readonly exponentRule: ExponentRule;
  /** Lowest exponent of the window of 16. */
  readonly expBias: number;
  /** Seeds 1..nSeeds are searched. */
  readonly nSeeds: number;
  readonly signal?: AbortSignal | undefined;
}

/** The codes of n blocks. */
export interface BlockCodes {
  /** Register states [n]. */
  readonly seeds: Uint32Array<ArrayBuffer>;
  /** Exponents minus `expBias`, 0..15 [n]. */
  readonly exponentCodes: Uint8Array<ArrayBuffer>;
  /** Coefficients -8..7 [n, P]. */
  readonly q: Int8Array<ArrayBuffer>;
  /** `sum h (w - w^)^2` in float64 [n]. */
  readonly errors: Float64Array<ArrayBuffer>;
}

/**
 * Something that finds the best codes. All give the very codes and errors of `encodeBlock`, bit for bit, however they
 * rank the seeds and whatever the size of the batches.
 */
export interface BlockSearch {
  /** Blocks that it likes to get at once. */
  readonly batchBlocks: number;
  /**
   * Rejects with `signal.reason` when aborted. The batch may not change until this resolves; the next may come before.
   */
  search(batch: BlockBatch, options: BlockSearchOptions): Promise<BlockCodes>;
}

/** Room for the codes of n blocks. */
export function emptyBlockCodes(n: number, { P }: LfsrConfig): BlockCodes {
  return {
    seeds: new Uint32Array(n),
    exponentCodes: new Uint8Array(n),
    q: new Int8Array(n * P),
    errors: new Float64Array(n),
  };
}

/** `encodeBlock`, block by block: plain JavaScript on this thread, and what faster searches are compared with. */
export function referenceSearch(): BlockSearch {
  let library: SeedLibrary | undefined;
  let madeFor: Float64Array | undefined;

  function libraryFor(
    { config, nSeeds }: BlockSearchOptions,
    importance: Float64Array | undefined,
  ): SeedLibrary {
    const isSame =
      library?.nSeeds === nSeeds && sameConfig(library.config, config) && sameNumbers(madeFor, importance);
    if (!library || !isSame) library = createSeedLibrary(config, { nSeeds, importance });
    madeFor = importance?.slice();
    return library;
  }

  return {
    batchBlocks: 1024,
    async search({ blocks, importance }, options) {
      const { config, exponentRule, expBias, signal } = options;
      const { C, P } = config;
      const n = blocks.length / C;
      const codes = emptyBlockCodes(n, config);
      let yieldAt = performance.now();
      for (let i = 0; i < n; i++) {
        if (performance.now() >= yieldAt) {
          await yieldToEventLoop();
          yieldAt = performance.now() + 50;
        }
        throwIfAborted(signal);
        const h = importance && importance.length > C ? importance.subarray(i * C, (i + 1) * C) : importance;
        const w = blocks.subarray(i * C, (i + 1) * C);
        const code = encodeBlock(w, libraryFor(options, h), { exponentRule, expBias, importance: h });
        codes.seeds[i] = code.seed;
        codes.exponentCodes[i] = code.exponent - expBias;
        codes.q.set(code.q, i * P);
        codes.errors[i] = code.error;
      }
      return codes;
    },
  };
}

/** Whether two configurations mean the same codes. */
export function sameConfig(a: LfsrConfig, b: LfsrConfig): boolean {
  return a.C === b.C && a.P === b.P && a.K === b.K && a.taps === b.taps && a.decimation === b.decimation;
}

function sameNumbers(a: Float64Array | undefined, b: Float64Array | undefined): boolean {
  return (
    a === b || (a !== undefined && b !== undefined && a.length === b.length && a.every((x, i) => x === b[i]))
  );
}
