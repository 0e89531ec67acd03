import { jump } from "../lfsr/lfsr-jump.ts";
import { checkSeed } from "../lfsr/taps.ts";
import type { LfsrConfig } from "./config.ts";

/**
 * The pseudo-random basis of a seed: `U = (V - 2^(K-1)) / (2^(K-1) - 1)` in [-1, 1], where V holds the states after
 * the seed, row by row; the seed itself is not among them. With decimation d, only every d-th.
 *
 * @returns U [C, P], row-major
 * @throws RangeError when the seed is outside [1, 2^K)
 * @see arXiv:2410.10714, section 3.2 and figure 4
 */
export function basisMatrix(seed: number, config: LfsrConfig): Float64Array<ArrayBuffer> {
  const half = 2 ** (config.K - 1) - 1;
  return Float64Array.from(integerBasis(seed, config), (s) => s / half);
}

/**
 * The basis before its division: `S = V - 2^(K-1)`, integers in [-(2^(K-1) - 1), 2^(K-1) - 1].
 *
 * @returns S [C, P], row-major
 * @throws RangeError when the seed is outside [1, 2^K)
 */
export function integerBasis(
  seed: number,
  { C, P, K, taps, decimation }: LfsrConfig,
): Int32Array<ArrayBuffer> {
  checkSeed("basisMatrix", seed, K);
  const basis = new Int32Array(C * P);
  let state = seed;
  for (let i = 0; i < basis.length; i++) {
    state = jump(state, decimation, K, taps);
    basis[i] = state - 2 ** (K - 1);
  }
  return basis;
}
