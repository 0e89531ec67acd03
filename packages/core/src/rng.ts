import { inverseNormal } from "./inverse-normal.ts";
import { RandomStream } from "./random-stream.ts";
import { type Words, Xoshiro128 } from "./xoshiro128.ts";

/** Where an `Rng` stands, as plain JSON. */
export interface RngState {
  algorithm: "xoshiro128**";
  /** Identity of the stream, from which `split` derives others. */
  key: [number, number, number, number];
  /** State of the generator. */
  state: [number, number, number, number];
  /** How many unlabelled streams were split off. */
  splits: number;
}

/** What can be shuffled: an array or a typed array. */
export interface Shuffleable<T> {
  readonly length: number;
  [index: number]: T;
}

/**
 * Random numbers from a seed: the same on every machine, engine and backend, forever.
 *
 * Bits come from xoshiro128**; seed and labels are spread over its 128 bits by MurmurHash3. Not for secrets.
 *
 * `split` gives a stream of its own to each part of a program, so that one that draws more does not shift the
 * others. Streams depend on the seed and the path of splits only, not on how much was drawn before.
 */
export class Rng extends RandomStream {
  #splits = 0;

  /** A generator that goes on exactly where `save` was called. @throws TypeError when it is not such a state */
  static restore(saved: RngState): Rng {
    if (
      saved?.algorithm !== "xoshiro128**" ||
      !isWords(saved.key) ||
      !isWords(saved.state) ||
      !(Number.isSafeInteger(saved.splits) && saved.splits >= 0)
    ) {
      throw new TypeError(
        `Rng.restore: got ${JSON.stringify(saved)}, expected { algorithm: "xoshiro128**", key, state, splits } ` +
          "with four 32-bit words, not all zero, in key and state. Pass what rng.save() returned.",
      );
    }
    const rng = new Rng(0);
    rng.key = [...saved.key];
    rng.bits = new Xoshiro128(saved.state);
    rng.#splits = saved.splits;
    return rng;
  }

  /** The whole state, as plain JSON. */
  save(): RngState {
    return {
      algorithm: "xoshiro128**",
      key: [...this.key],
      state: this.bits.state,
      splits: this.#splits,
    };
  }

  /**
   * An independent stream. With a label (a string or a safe integer, such as a step) it is always the same stream
   * for the same label; without one, each call gives the next. Neither draws a number from this one.
   *
   * @throws RangeError when a numeric label is not a safe integer
   */
  override split(label?: number | string): this {
    if (label !== undefined) return super.split(label);
    this.#splits += 1;
    return super.split(`\0${this.#splits - 1}`); // \0 keeps off real labels
  }

  /**
   * A number in [min, max), each equally likely; 53 random bits.
   *
   * @throws RangeError unless `min < max`, both finite, and `max - min` too
   */
  override uniform(range?: { min?: number; max?: number }): number {
    if (!range) return super.uniform();
    const { min = 0, max = 1 } = range;
    checkRange("Rng.uniform", min, max);
    for (;;) {
      const x = min + super.uniform() * (max - min);
      if (x < max) return x; // rounding can reach max, rarely
    }
  }

  /**
   * A number from the normal distribution, by the inverse of its distribution function: one draw, no spare to keep.
   *
   * @throws RangeError unless both are finite and `std >= 0`
   */
  normal(moments?: { mean?: number; std?: number }): number {
    if (!moments) return this.#normal();
    const { mean = 0, std = 1 } = moments;
    checkMoments("Rng.normal", mean, std);
    return mean + std * this.#normal();
  }

  /**
   * Fills `target` with what as many calls of `normal` would give, rounded to float32. Returns `target`.
   *
   * @throws RangeError unless both are finite and `std >= 0`
   */
  fillNormal(target: Float32Array, moments: { mean?: number; std?: number } = {}): Float32Array {
    const { mean = 0, std = 1 } = moments;
    checkMoments("Rng.fillNormal", mean, std);
    for (let i = 0; i < target.length; i++) target[i] = mean + std * this.#normal();
    return target;
  }

  /**
   * Fills `target` with numbers in [min, max), where both ends are first rounded to float32. Returns `target`.
   *
   * @throws RangeError unless `min < max` as finite float32 numbers
   */
  fillUniform(target: Float32Array, range: { min?: number; max?: number } = {}): Float32Array {
    const min = Math.fround(range.min ?? 0);
    const max = Math.fround(range.max ?? 1);
    checkRange("Rng.fillUniform", min, max);
    for (let i = 0; i < target.length; i++) {
      let x: number;
      do x = Math.fround(min + super.uniform() * (max - min));
      while (x >= max); // rounding can reach max, rarely
      target[i] = x;
    }
    return target;
  }

  /** Shuffles in place, every order equally likely (Fisher and Yates; Knuth's Algorithm P). Returns `items`. */
  shuffle<T, A extends Shuffleable<T>>(items: A & Shuffleable<T>): A {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = items[i] as T;
      items[i] = items[j] as T;
      items[j] = held;
    }
    return items;
  }

  /**
   * One of `items`, each equally likely, or in proportion to its weight.
   *
   * @throws RangeError when there is nothing to choose from, or `weights` are not one finite number >= 0 per item
   *   with a positive finite sum
   */
  choice<T>(items: ArrayLike<T>, options: { weights?: ArrayLike<number> } = {}): T {
    const { weights } = options;
    if (items.length === 0) throw new RangeError("Rng.choice: got no items. Pass at least one.");
    if (!weights) return items[this.integer(items.length)] as T;

    if (weights.length !== items.length) {
      throw new RangeError(
        `Rng.choice: got ${weights.length} weights for ${items.length} items. Pass one weight per item.`,
      );
    }
    let sum = 0;
    let last = 0; // the last item that can be chosen
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i] as number;
      if (!(weight >= 0)) {
        throw new RangeError(
          `Rng.choice: weights[${i}] is ${weight}, expected a number >= 0. Use 0 to exclude.`,
        );
      }
      if (weight > 0) last = i;
      sum += weight;
    }
    if (!(sum > 0 && sum < Infinity)) {
      throw new RangeError(
        `Rng.choice: weights sum to ${sum}, expected a positive finite number. Scale them.`,
      );
    }
    let rest = super.uniform() * sum;
    for (let i = 0; i < last; i++) {
      rest -= weights[i] as number;
      if (rest < 0) return items[i] as T;
    }
    return items[last] as T;
  }

  #normal(): number {
    const high = this.bits.next() >>> 6; // 26 bits
    const k = high * 2 ** 26 + (this.bits.next() >>> 6);
    return inverseNormal((k + 0.5) * 2 ** -52); // odd multiples of 2^-53: exact, symmetric, never 0 or 1
  }
}

function isWords(value: unknown): value is Words {
  if (!Array.isArray(value) || value.length !== 4) return false;
  return value.every((word) => word === word >>> 0) && value.some((word) => word !== 0);
}

function checkRange(who: string, min: number, max: number): void {
  if (min < max && max - min < Infinity) return;
  throw new RangeError(
    `${who}: min is ${min} and max is ${max}, expected finite numbers with min < max. Swap them?`,
  );
}

function checkMoments(who: string, mean: number, std: number): void {
  if (Math.abs(mean) < Infinity && std >= 0 && std < Infinity) return;
  throw new RangeError(`${who}: mean is ${mean} and std is ${std}, expected finite numbers, std >= 0.`);
}
