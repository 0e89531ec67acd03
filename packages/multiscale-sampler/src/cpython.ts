import { MersenneTwister } from "./mersenne-twister.ts";
import type { EpochRandom, RandomSource } from "./random.ts";

/** The generator of Python's `random` module: its `randbelow`, `shuffle`, `choice` and `randint` draw by draw. */
export class CpythonRandom implements EpochRandom {
  #bits: MersenneTwister;

  constructor(seed: number | bigint) {
    this.#bits = new MersenneTwister(seed);
  }

  /** Starts over, as `random.seed(seed)`. */
  seed(seed: number | bigint): void {
    this.#bits = new MersenneTwister(seed);
  }

  /** 32 random bits, as an integer. */
  next(): number {
    return this.#bits.next();
  }

  /** An integer in [0, n), for n in [1, 2^32): bits are drawn until they are below n, also where n is 1. */
  below(n: number): number {
    const shift = Math.clz32(n);
    for (;;) {
      const r = this.#bits.next() >>> shift;
      if (r < n) return r;
    }
  }

  shuffle(indices: Uint32Array): void {
    for (let i = indices.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const held = indices[i] as number;
      indices[i] = indices[j] as number;
      indices[j] = held;
    }
  }
}

/**
 * The randomness of the reference: CPython's generator, seeded with the epoch alone, so every run sees the same lists.
 * They come out number for number. For the option `random` of a sampler.
 */
export const cpython: RandomSource = (epoch) => new CpythonRandom(epoch);

/**
 * As `cpython`, with one generator for every sampler that has this source, as Python's module functions: each epoch that
 * starts reseeds it, and draws of samplers that take turns interfere. Only `createChainSampler` in mode "interleave"
 * needs it, to reproduce the reference. An epoch draws as it is iterated: do not ask for its length before.
 */
export function sharedCpython(): RandomSource {
  const shared = new CpythonRandom(0);
  return (epoch) => {
    shared.seed(epoch);
    return shared;
  };
}
