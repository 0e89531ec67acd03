import { murmur3 } from "./murmur3.ts";
import { type Words, Xoshiro128 } from "./xoshiro128.ts";

/**
 * Random integers and numbers in [0, 1) from a seed, and streams split off it: what shuffling and drawing need, in a
 * kilobyte. `Rng` gives the same numbers, and has everything else.
 */
export class RandomStream {
  protected key: Words;
  protected bits: Xoshiro128;
  /** How many unlabelled streams were split off. */
  protected splits = 0;

  /**
   * @param seed - a safe integer, or any string; `1` and `"1"` are different seeds
   * @throws RangeError when a number is not a safe integer
   */
  constructor(seed: number | string) {
    this.key = deriveKey(new TextEncoder().encode("corenet rng root"), seed, "Rng: seed");
    this.bits = new Xoshiro128(this.key);
  }

  /**
   * An independent stream. With a label (a string or a safe integer, such as a step) it is always the same stream
   * for the same label; without one, each call gives the next. Neither draws a number from this one.
   *
   * @throws RangeError when a numeric label is not a safe integer
   */
  split(label?: number | string): this {
    const child = new (this.constructor as new (seed: number) => this)(0);
    const parent = new Uint8Array(16);
    const view = new DataView(parent.buffer);
    this.key.forEach((word, i) => {
      view.setUint32(4 * i, word, true);
    });
    child.key = deriveKey(parent, label ?? `\0${this.splits}`, "Rng.split: label"); // \0 keeps off real labels
    child.bits = new Xoshiro128(child.key);
    if (label === undefined) this.splits += 1;
    return child;
  }

  /** A number in [0, 1), each equally likely; 53 random bits. */
  uniform(): number {
    return this.integer53() * 2 ** -53;
  }

  /**
   * An integer in [0, n), each exactly equally likely.
   *
   * @param n - integer in [1, 2^53)
   * @throws RangeError when `n` is outside
   */
  integer(n: number): number {
    if (!(Number.isSafeInteger(n) && n >= 1)) {
      throw new RangeError(
        `Rng.integer: n is ${n}, expected an integer in [1, 2^53). Pass how many there are.`,
      );
    }
    const span = n <= 2 ** 32 ? 2 ** 32 : 2 ** 53;
    const limit = span - (span % n); // the largest multiple of n: what lies above would favour small results
    for (;;) {
      const x = span === 2 ** 32 ? this.bits.next() : this.integer53();
      if (x < limit) return x % n;
    }
  }

  /** 53 random bits, as an integer. */
  protected integer53(): number {
    const high = this.bits.next() >>> 5; // 27 bits
    return high * 2 ** 26 + (this.bits.next() >>> 6);
  }
}

/** The key of the stream named `label` below `parent` (16 bytes). */
function deriveKey(parent: Uint8Array, label: number | string, who: string): Words {
  if (typeof label !== "string" && !Number.isSafeInteger(label)) {
    throw new RangeError(
      `${who} is ${label}, expected a safe integer or a string. Use Math.trunc or String.`,
    );
  }
  // -0 and 0 are one label: String gives "0" for both.
  const text = new TextEncoder().encode(typeof label === "string" ? `s${label}` : `i${label}`);
  const bytes = new Uint8Array(parent.length + text.length);
  bytes.set(parent);
  bytes.set(text, parent.length);
  const key = murmur3(bytes);
  return isWords(key) ? key : [1, 0, 0, 0];
}

/** Whether `value` can be a key or a state: four 32-bit words, not all zero. */
export function isWords(value: unknown): value is Words {
  if (!Array.isArray(value) || value.length !== 4) return false;
  return value.every((word) => word === word >>> 0) && value.some((word) => word !== 0);
}
