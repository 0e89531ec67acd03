import type { RandomStream } from "@corenet/core";

/** The randomness of one epoch. */
export interface EpochRandom {
  /** An integer in [0, n), each equally likely. */
  below(n: number): number;
  /** Puts `indices` into a random order, in place. */
  shuffle(indices: Uint32Array): void;
}

/** Starts the randomness of an epoch: every rank starts the same. */
export type RandomSource = (epoch: number) => EpochRandom;

export interface RandomOption {
  /**
   * A seeded `Rng` or `RandomStream`, of which nothing is drawn: each epoch splits two streams off, so samplers that get
   * the same one draw the same. Or `cpython`, which gives the lists of the reference. Only what neither shuffles nor draws
   * needs none.
   */
  random?: RandomStream | RandomSource;
}

/** Throws where randomness is needed and not given. */
export function checkRandom(who: string, { random }: RandomOption, needed: boolean): void {
  if (random !== undefined || !needed) return;
  throw new RangeError(
    `${who}: got no random, expected one to shuffle and to draw scales. ` +
      'Pass random: new Rng("my run"); to evaluate, pass one scale and shuffle: false.',
  );
}

/** The randomness of `epoch`. The order and the scales have a stream each, so neither depends on the other. */
export function epochRandom(who: string, options: RandomOption, epoch: number): EpochRandom {
  const { random } = options;
  if (typeof random === "function") return random(epoch);

  const stream = random?.split(`epoch ${epoch}`);
  const order = stream?.split("order");
  const scales = stream?.split("scales");
  return {
    below(n) {
      checkRandom(who, options, n > 1);
      return scales ? scales.integer(n) : 0;
    },
    shuffle: (indices) => order && shuffle(indices, order),
  };
}

/** Fisher and Yates. A product with 53 random bits favours none by more than 2^-21, and is faster than `integer`. */
function shuffle(indices: Uint32Array, order: RandomStream): void {
  for (let i = indices.length - 1; i > 0; i--) {
    const j = Math.floor(order.uniform() * (i + 1));
    const held = indices[i] as number;
    indices[i] = indices[j] as number;
    indices[j] = held;
  }
}
