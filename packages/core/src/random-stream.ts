import { murmur3 } from "./murmur3.ts";
import { type Words, Xoshiro128 } from "./xoshiro128.ts";

/**
 * Random integers and numbers in [0, 1) from a seed, and streams split off it: what shuffling and drawing need, in a
 * kilobyte. `Rng` gives the same numbers, and has everything else.
 */
export class RandomStream {
  protected key: Words;
  protected bits: Xoshiro128;

  /**
   * @param seed - a safe integer, or any string; `1` and `"1"` are different seeds
   * @throws RangeError when a number is not a safe integer
   */
  constructor(seed: number | string) {
    this.key = deriveKey(root, seed, "Rng: seed");
    this.bits = new Xoshiro128(this.key);
  }

  /**
   * An independent stream, always the same for the same label: a string or a safe integer, such as a step. Nothing is
   * drawn from this one.
   *
   * @throws RangeError when a numeric label is not a safe integer
   */
  split(label: number | string): this {
    const child = new (this.constructor as new (seed: number) => this)(0);
    child.key = deriveKey(this.key, label, "Rng.split: label");
    child.bits = new Xoshiro128(child.key);
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

/** "corenet rng root" in ASCII. */
const root: Words = [0x65726f63, 0x2074656e, 0x20676e72, 0x746f6f72];

/** The key of the stream named `label` below `parent`. */
function deriveKey(parent: Words, label: number | string, who: string): Words {
  if (typeof label !== "string" && !Number.isSafeInteger(label)) {
    throw new RangeError(
      `${who} is ${label}, expected a safe integer or a string. Use Math.trunc or String.`,
    );
  }
  // -0 and 0 are one label: String gives "0" for both.
  const text = new TextEncoder().encode(typeof label === "string" ? `s${label}` : `i${label}`);
  const bytes = new Uint8Array(16 + text.length);
  bytes.set(text, 16);
  const view = new DataView(bytes.buffer);
  parent.forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  const key = murmur3(bytes);
  return key.some((word) => word !== 0) ? key : [1, 0, 0, 0]; // zero is the state that never leaves itself
}
