import type { LfsrTensor } from "./lfsr-tensor.ts";

/** The code of one block: `w ~ U(seed) q 2^exponent`. */
export interface BlockCode {
  /** Register state, 1..2^K - 1. */
  seed: number;
  exponent: number;
  /** Coefficients -8..7 [P]. */
  q: Int8Array<ArrayBuffer>;
}

/**
 * The code of one block of a tensor.
 *
 * @throws RangeError when there is no such block
 */
export function readBlockCode(tensor: LfsrTensor, block: number): BlockCode {
  const { config, seeds, codes, exponents, expBias } = tensor;
  const seed = seeds[block];
  if (seed === undefined) {
    throw new RangeError(
      `readBlockCode: block is ${block}, expected an integer in [0, ${seeds.length}). The tensor ends there.`,
    );
  }
  const { P } = config;
  const isOdd = P % 2 === 1;
  const at = block * (isOdd ? P + 1 : P);
  const code = isOdd ? nibble(codes, at) : nibble(exponents, block);
  const q = Int8Array.from({ length: P }, (_, p) => (nibble(codes, at + p + (isOdd ? 1 : 0)) << 28) >> 28);
  return { seed, exponent: expBias + code, q };
}

/** Writes the nibbles of a block; the arrays hold 0 there. The seed is not written. */
export function writeNibbles(
  { codes, exponents }: Pick<LfsrTensor, "codes" | "exponents">,
  block: number,
  code: number,
  q: Int8Array,
): void {
  const P = q.length;
  const isOdd = P % 2 === 1;
  const at = block * (isOdd ? P + 1 : P);
  setNibble(isOdd ? codes : exponents, isOdd ? at : block, code);
  for (let p = 0; p < P; p++) setNibble(codes, at + p + (isOdd ? 1 : 0), q[p] as number);
}

/** Nibble k of an array, the even one low. */
export function nibble(bytes: Uint8Array, k: number): number {
  return ((bytes[k >> 1] as number) >> ((k & 1) << 2)) & 15;
}

function setNibble(bytes: Uint8Array, k: number, value: number): void {
  bytes[k >> 1] = (bytes[k >> 1] as number) | ((value & 15) << ((k & 1) << 2));
}
