import type { BlockCode } from "./block-code.ts";
import { type ExponentRule, exponentCodes } from "./exponent-rule.ts";
import { floorLog2, powerOfTwo } from "./power-of-two.ts";
import { factorGram, type SeedLibrary } from "./seed-library.ts";

export interface EncodeBlockOptions {
  /** @default "best" */
  exponentRule?: ExponentRule | undefined;
  /** Lowest exponent of the window of 16. @default -8, the paper's */
  expBias?: number | undefined;
  /** Quantise at every seed, not only where it can win: for tests, a hundred times slower. @default false */
  exhaustive?: boolean | undefined;
}

export interface EncodedBlock extends BlockCode {
  /** `sum h (w - w^)^2`, in float64. */
  error: number;
}

/** At and above this, a float32 rounds to infinity. */
const float32Overflow = 2 ** 128 - 2 ** 103;

/**
 * Rounding of the lower bound, as a part of ||w||^2. The bound is `||w||^2 - ||y||^2` in float64; with pivots above
 * 1e-5 of their diagonal, y is off by some 1e-13.
 */
const boundSlack = 1e-9;

/**
 * The code of one block: over all seeds of the library, least squares for the coefficients, then exponent and rounding by the rule,
 * and the smallest `sum h (w - U t^)^2` with the quantised coefficients. Of equals the lowest seed wins, of its candidates
 * the first.
 *
 * This is the normative encoder: float64, sums over c, then p, in ascending order, nothing fused. Seeds whose error
 * before quantisation exceeds the best found so far cannot win and are passed over.
 *
 * @param w - finite weights [C]
 * @throws RangeError when `w` does not have C elements
 * @see arXiv:2410.10714, algorithm 3
 */
export function encodeBlock(
  w: ArrayLike<number>,
  library: SeedLibrary,
  options: EncodeBlockOptions = {},
): EncodedBlock {
  const { C, P, K } = library.config;
  const { exponentRule = "best", expBias = -8, exhaustive } = options;
  if (w.length !== C) {
    throw new RangeError(
      `encodeBlock: w has ${w.length} weights, expected C = ${C}. Pad the last block with 0.`,
    );
  }
  const { ring, seeds, starts, importance: h } = library;
  const best: EncodedBlock = { seed: 1, exponent: expBias, q: new Int8Array(P), error: weightedNorm(w, h) };
  if (best.error === 0) return best;

  const half = 2 ** (K - 1) - 1;
  const norm = best.error;
  const neighbours = exponentRule === "best" ? 3 ** P : 0;
  const dots = slidingDots(w, library);
  const reach = reachOf(library, dots);
  const factor = new Float64Array((P * (P + 1)) / 2);
  const t = new Float64Array(P);
  const rounded = new Int8Array(P);
  const q = new Int8Array(P);

  for (let n = 0; n < seeds.length; n++) {
    if (!exhaustive && norm - reach(n) > best.error + boundSlack * norm) continue;

    const seed = seeds[n] as number;
    const start = starts[n] as number;
    factorGram(ring, start, library.config, h, factor);
    solve(factor, dots, start, t);
    let largest = 0;
    for (let p = 0; p < P; p++) {
      t[p] = (t[p] as number) * half; // S t becomes U t
      largest = Math.max(largest, Math.abs(t[p] as number));
    }
    for (const code of exponentCodes(exponentRule, floorLog2(largest), expBias)) {
      const scale = powerOfTwo(expBias + code);
      for (let p = 0; p < P; p++) rounded[p] = roundCoefficient((t[p] as number) / scale);
      for (let digits = -1; digits < neighbours; digits++) {
        if (!neighbour(rounded, digits, q)) continue;
        const error = blockError(w, ring, start, q, scale, half, h, best.error);
        // Seeds come in the order of the cycle, and of equal errors the lowest seed wins.
        if (error > best.error || (error === best.error && seed >= best.seed)) continue;
        best.seed = seed;
        best.exponent = expBias + code;
        best.q.set(q);
        best.error = error;
      }
    }
  }
  return best;
}

/** `sum h w^2`, the error of the zero code. */
function weightedNorm(w: ArrayLike<number>, h: Float64Array): number {
  let norm = 0;
  for (let c = 0; c < w.length; c++) norm += (w[c] as number) * (w[c] as number) * (h[c] as number);
  return norm;
}

/**
 * `sum_c ring[m + c P] w_c h_c` for every m. The P products `S^T w` of the basis at `start` are the entries from
 * `start` on, because neighbouring bases overlap: one sum serves P of them, and C - 1 products are saved of C.
 */
function slidingDots(
  w: ArrayLike<number>,
  { ring, importance: h, config: { C, P } }: SeedLibrary,
): Float64Array {
  const dots = new Float64Array(ring.length - (C - 1) * P);
  for (let c = 0; c < C; c++) {
    const weight = (w[c] as number) * (h[c] as number);
    for (let m = 0, at = c * P; m < dots.length; m++, at++) {
      dots[m] = (dots[m] as number) + (ring[at] as number) * weight;
    }
  }
  return dots;
}

/** How much of ||w||^2 the basis of each seed can express: `||L^-1 b||^2` with its P dots b. */
function reachOf(
  { inverses, starts, config: { P } }: SeedLibrary,
  dots: Float64Array,
): (n: number) => number {
  return (n) => {
    const start = starts[n] as number;
    let reached = 0;
    for (let i = 0, at = (n * P * (P + 1)) / 2; i < P; i++) {
      let y = 0;
      for (let j = 0; j <= i; j++) y += (inverses[at++] as number) * (dots[start + j] as number);
      reached += y * y;
    }
    return reached;
  };
}

/** Solves `L L^T t = b`, with b the P dots at `start`. */
function solve(factor: Float64Array, dots: Float64Array, start: number, t: Float64Array): void {
  const P = t.length;
  const entry = (i: number, j: number) => factor[(i * (i + 1)) / 2 + j] as number;
  for (let i = 0; i < P; i++) {
    let rest = dots[start + i] as number;
    for (let k = 0; k < i; k++) rest -= entry(i, k) * (t[k] as number);
    t[i] = rest / entry(i, i);
  }
  for (let i = P - 1; i >= 0; i--) {
    let rest = t[i] as number;
    for (let k = i + 1; k < P; k++) rest -= entry(k, i) * (t[k] as number);
    t[i] = rest / entry(i, i);
  }
}

/** Nearest of -8..7, ties to even: adding and taking off 1.5 * 2^52 leaves no bits below 1. */
function roundCoefficient(x: number): number {
  const magic = 6755399441055744;
  return Math.min(Math.max(x, -8), 7) + magic - magic;
}

/**
 * The coefficients themselves (digits -1), or one of their 3^P neighbours: coefficient p moves by
 * ((digits div 3^p) mod 3) - 1.
 *
 * @returns false where one would leave -8..7
 */
function neighbour(rounded: Int8Array, digits: number, q: Int8Array): boolean {
  q.set(rounded);
  if (digits < 0) return true;
  for (let p = 0, rest = digits; p < q.length; p++, rest = Math.trunc(rest / 3)) {
    const moved = (rounded[p] as number) + (rest % 3) - 1;
    if (moved < -8 || moved > 7) return false;
    q[p] = moved;
  }
  return true;
}

/** Error of a code, or infinity as soon as it is beyond `limit`, or where a weight would decode to infinity. */
function blockError(
  w: ArrayLike<number>,
  ring: Float64Array,
  start: number,
  q: Int8Array,
  scale: number,
  half: number,
  h: Float64Array,
  limit: number,
): number {
  let error = 0;
  for (let c = 0, at = start; c < w.length; c++) {
    let sum = 0;
    for (let p = 0; p < q.length; p++, at++) sum += (ring[at] as number) * (q[p] as number);
    const decoded = (sum * scale) / half;
    const miss = (w[c] as number) - decoded;
    error += miss * miss * (h[c] as number);
    if (error > limit || Math.abs(decoded) >= float32Overflow) return Infinity;
  }
  return error;
}
