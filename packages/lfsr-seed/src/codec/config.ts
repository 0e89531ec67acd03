import { isMaximalLength } from "../lfsr/is-maximal-length.ts";
import { lfsrTaps } from "../lfsr/taps.ts";

/** How blocks are coded: C weights from a K-bit seed, one 4-bit exponent and P 4-bit coefficients. */
export interface LfsrConfig {
  /** Weights in a block. */
  readonly C: number;
  /** Coefficients of a block, at most C. */
  readonly P: number;
  /** Bits of the seed, 2..24. */
  readonly K: number;
  /** Feedback taps of the register, a bit mask. */
  readonly taps: number;
  /** Only every d-th state is used; 1 is the paper. Coprime to 2^K - 1. */
  readonly decimation: number;
  readonly mantissaBits: 4;
  readonly exponentBits: 4;
}

/** Bits per weight of the three configurations with a name. */
export type LfsrBits = 3 | 4 | 4.5;

export interface LfsrConfigOptions {
  /** 4 is (C, P, K) = (8, 3, 16), 3 is (12, 4, 16), both the paper's; 4.5 is (8, 4, 16). */
  bits?: LfsrBits | undefined;
  C?: number | undefined;
  P?: number | undefined;
  /** @default 16 */
  K?: number | undefined;
  /** Taps as a bit mask; must be maximal. @default the paper's for K */
  taps?: number | undefined;
  /** Use every d-th state: 8 gains 0.2 to 0.5 dB at no bits, but is not the paper's format. @default 1 */
  decimation?: number | undefined;
}

const named: ReadonlyMap<number, readonly [C: number, P: number, K: number]> = /* @__PURE__ */ new Map([
  [3, [12, 4, 16]],
  [4, [8, 3, 16]],
  [4.5, [8, 4, 16]],
]);

/**
 * A configuration by its bits per weight, or by C, P and K.
 *
 * @throws RangeError when the numbers are outside what can be coded exactly, or the taps are not maximal
 * @see Shafipour et al. 2024, arXiv:2410.10714, table 1
 */
export function lfsrConfig(options: LfsrConfigOptions = {}): LfsrConfig {
  const { bits = options.C === undefined ? 4 : undefined, decimation = 1 } = options;
  const preset = bits === undefined ? undefined : named.get(bits);
  if (bits !== undefined && (!preset || options.C !== undefined || options.P !== undefined)) {
    throw new RangeError(
      `lfsrConfig: bits is ${bits} with C ${options.C} and P ${options.P}, expected bits 3, 4 or 4.5 alone, or C and P. ` +
        "Other rates: choose C, P and K; bits per weight are (K + 4 + 4P) / C.",
    );
  }
  const [C, P, K] = preset ?? [options.C ?? 0, options.P ?? 0, options.K ?? 16];
  const paperTaps = lfsrTaps(K);
  const { taps = paperTaps } = options;
  checkSizes(C, P, K);
  if (!isMaximalLength({ K, taps })) {
    throw new RangeError(
      `lfsrConfig: taps 0x${taps.toString(16)} do not visit all 2^${K} - 1 states. ` +
        `Leave taps out for the paper's, 0x${paperTaps.toString(16)}.`,
    );
  }
  const period = 2 ** K - 1;
  if (
    !(Number.isInteger(decimation) && decimation >= 1 && decimation < period && gcd(decimation, period) === 1)
  ) {
    throw new RangeError(
      `lfsrConfig: decimation is ${decimation}, expected an integer in [1, ${period}) coprime to ${period}. Use 1 or 8.`,
    );
  }
  return { C, P, K, taps, decimation, mantissaBits: 4, exponentBits: 4 };
}

function checkSizes(C: number, P: number, K: number): void {
  if (!(Number.isInteger(C) && Number.isInteger(P) && P >= 1 && P <= C && C <= 255)) {
    throw new RangeError(
      `lfsrConfig: C is ${C} and P is ${P}, expected integers with 1 <= P <= C <= 255. The paper uses 8, 3 and 12, 4.`,
    );
  }
  // Sums of coefficients times states must fit int32, the Gram matrix must be exact in float64.
  const half = 2 ** (K - 1) - 1;
  if (8 * P * half < 2 ** 31 && C * half * half < 2 ** 53) return;
  throw new RangeError(
    `lfsrConfig: (C, P, K) is (${C}, ${P}, ${K}), expected 8P(2^(K-1) - 1) < 2^31 and C(2^(K-1) - 1)^2 < 2^53, so that ` +
      "sums are exact. Take a smaller K.",
  );
}

/** Bits per weight of the codes themselves: (K + 4 + 4P) / C. Padding of rows comes on top. */
export function bitsPerWeight({ C, P, K, mantissaBits, exponentBits }: LfsrConfig): number {
  return (K + exponentBits + mantissaBits * P) / C;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
