import { lfsrSequence } from "../lfsr/lfsr-sequence.ts";
import type { LfsrConfig } from "./config.ts";

/** A pivot at most this part of its diagonal marks a basis whose columns are nearly dependent: it is not used. */
export const pivotTolerance = 1e-5;

/**
 * All bases of a configuration, ready to be ranked: where each usable seed stands on the cycle, and the inverse of the
 * Cholesky factor of its Gram matrix `G = S^T diag(h) S`.
 */
export interface SeedLibrary {
  readonly config: LfsrConfig;
  /** Seeds 1..nSeeds are searched. */
  readonly nSeeds: number;
  /** S along the (decimated) cycle, long enough that no window wraps [2^K - 1 + C P]. */
  readonly ring: Float64Array;
  /** The usable seeds, in the order of the cycle [n]. */
  readonly seeds: Uint32Array;
  /** Where the basis of each seed begins in `ring` [n]: entry (c, p) is `ring[start + c P + p]`. */
  readonly starts: Uint32Array;
  /** Inverses of the lower Cholesky factors, row by row [n, P (P + 1) / 2]: `||L^-1 S^T h w||^2` is what a basis reaches. */
  readonly inverses: Float64Array;
  /** h [C]: ones where none was given, which change no bit of what they multiply. */
  readonly importance: Float64Array;
}

/**
 * Builds the library: some 30 ms and 5 MB for K = 16.
 *
 * @param nSeeds - seeds 1..nSeeds only; fewer is faster and worse. @default 2^K - 1
 * @param importance - h, one weight per element of a block [C]; ones where nothing is said
 * @throws RangeError when `nSeeds` is outside [1, 2^K)
 */
export function createSeedLibrary(
  config: LfsrConfig,
  options: { nSeeds?: number | undefined; importance?: Float64Array | undefined } = {},
): SeedLibrary {
  const { C, P, K, taps, decimation } = config;
  const period = 2 ** K - 1;
  const { nSeeds = period, importance = new Float64Array(C).fill(1) } = options;
  if (!(Number.isInteger(nSeeds) && nSeeds >= 1 && nSeeds <= period)) {
    throw new RangeError(`createSeedLibrary: nSeeds is ${nSeeds}, expected an integer in [1, ${period}].`);
  }

  const sequence = lfsrSequence({ K, taps });
  const states = new Uint32Array(period); // the cycle of every d-th state
  for (let i = 0, at = 0; i < period; i++, at = (at + decimation) % period)
    states[i] = sequence[at] as number;
  const ring = new Float64Array(period + C * P);
  for (let i = 0; i < ring.length; i++) ring[i] = (states[i % period] as number) - 2 ** (K - 1);

  const size = (P * (P + 1)) / 2;
  const seeds = new Uint32Array(nSeeds);
  const starts = new Uint32Array(nSeeds);
  const inverses = new Float64Array(nSeeds * size);
  const factor = new Float64Array(size);
  let n = 0;
  for (let i = 0; i < period; i++) {
    const seed = states[i] as number;
    if (seed > nSeeds || !factorGram(ring, i + 1, config, importance, factor)) continue;
    seeds[n] = seed;
    starts[n] = i + 1; // the first entry is the state after the seed
    invertLower(factor, P, inverses, n * size);
    n += 1;
  }
  return {
    config,
    nSeeds,
    ring,
    seeds: seeds.subarray(0, n),
    starts: starts.subarray(0, n),
    inverses: inverses.subarray(0, n * size),
    importance,
  };
}

/**
 * Cholesky factor of the Gram matrix of the window at `start`, sums over c, then k, in ascending order.
 *
 * @returns false where a pivot is too small
 */
export function factorGram(
  ring: Float64Array,
  start: number,
  { C, P }: LfsrConfig,
  h: Float64Array,
  factor: Float64Array,
): boolean {
  for (let i = 0, at = 0; i < P; i++) {
    for (let j = 0; j <= i; j++, at++) {
      let gram = 0; // exact where h is 1
      for (let c = 0; c < C; c++) {
        gram += (ring[start + c * P + i] as number) * (ring[start + c * P + j] as number) * (h[c] as number);
      }
      let rest = gram;
      const rowI = (i * (i + 1)) / 2;
      const rowJ = (j * (j + 1)) / 2;
      for (let k = 0; k < j; k++) rest -= (factor[rowI + k] as number) * (factor[rowJ + k] as number);
      if (i !== j) {
        factor[at] = rest / (factor[rowJ + j] as number);
      } else {
        if (!(rest > pivotTolerance * gram)) return false;
        factor[at] = Math.sqrt(rest);
      }
    }
  }
  return true;
}

/** Inverse of a lower triangle, both row by row. */
function invertLower(lower: Float64Array, P: number, inverse: Float64Array, to: number): void {
  const at = (i: number, j: number) => (i * (i + 1)) / 2 + j;
  for (let j = 0; j < P; j++) {
    for (let i = j; i < P; i++) {
      let rest = i === j ? 1 : 0;
      for (let k = j; k < i; k++) rest -= (lower[at(i, k)] as number) * (inverse[to + at(k, j)] as number);
      inverse[to + at(i, j)] = rest / (lower[at(i, i)] as number);
    }
  }
}
