import type { LfsrConfig } from "./config.ts";
import type { ExponentRule } from "./exponent-rule.ts";

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

/** Whether two configurations mean the same codes. */
export function sameConfig(a: LfsrConfig, b: LfsrConfig): boolean {
  return a.C === b.C && a.P === b.P && a.K === b.K && a.taps === b.taps && a.decimation === b.decimation;
}
