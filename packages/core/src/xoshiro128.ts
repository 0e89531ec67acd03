/** 128 bits as four unsigned 32-bit words. */
export type Words = readonly [number, number, number, number];

/**
 * xoshiro128**: 32 random bits a step, period 2^128 - 1, from integer operations alone.
 *
 * @see Blackman and Vigna 2021, arXiv:1805.01407; reference code at https://prng.di.unimi.it/xoshiro128starstar.c
 */
export class Xoshiro128 {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param state - not all zero: zero is the one state that never leaves itself */
  constructor(state: Words) {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /** The next 32 bits, as an integer in [0, 2^32). */
  next(): number {
    const x = Math.imul(this.#b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  get state(): [number, number, number, number] {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
  }
}
