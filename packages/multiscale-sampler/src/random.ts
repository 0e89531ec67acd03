import { Rng } from "@corenet/core";

/** The randomness of one epoch. */
export interface EpochRandom {
  /** An integer in [0, n), each equally likely. */
  below(n: number): number;
  /** Puts `indices` into a random order, in place. */
  shuffle(indices: Uint32Array): void;
}

/** Starts the randomness of an epoch. Every rank starts the same. */
export type RandomSource = (seed: number | string | undefined, epoch: number) => EpochRandom;

/**
 * The default: two streams of our `Rng` for each seed (0 where none is given) and epoch, one for the order and one for
 * the scales, so that neither depends on the other.
 */
export const seededRandom: RandomSource = (seed = 0, epoch) => {
  const stream = new Rng(seed).split(epoch);
  const order = stream.split("order");
  const scales = stream.split("scales");
  return {
    below: (n) => scales.integer(n),
    shuffle(indices) {
      // Fisher and Yates. A product with 53 random bits favours nobody by more than 2^-21, and is faster than `integer`.
      for (let i = indices.length - 1; i > 0; i--) {
        const j = Math.floor(order.uniform() * (i + 1));
        const held = indices[i] as number;
        indices[i] = indices[j] as number;
        indices[j] = held;
      }
    },
  };
};
