const SIZE = 624;
const SHIFT = 397;

/**
 * MT19937, seeded as CPython seeds `random.Random(seed)`.
 *
 * @see Matsumoto and Nishimura 1998, doi:10.1145/272991.272995; the seeding is their `init_by_array`
 */
export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE);
  #at = SIZE;

  /** @param seed - any integer; its sign does not count, as in CPython */
  constructor(seed: number | bigint) {
    const key = wordsOf(seed);
    const state = this.#state;
    state[0] = 19650218;
    for (let i = 1; i < SIZE; i++) state[i] = Math.imul(1812433253, mixed(state, i - 1)) + i;

    let i = 1;
    const next = () => {
      i += 1;
      if (i < SIZE) return;
      state[0] = state[SIZE - 1] as number;
      i = 1;
    };
    for (let k = 0; k < Math.max(SIZE, key.length); k++) {
      const j = k % key.length;
      state[i] = ((state[i] as number) ^ Math.imul(mixed(state, i - 1), 1664525)) + (key[j] as number) + j;
      next();
    }
    for (let k = 1; k < SIZE; k++) {
      state[i] = ((state[i] as number) ^ Math.imul(mixed(state, i - 1), 1566083941)) - i;
      next();
    }
    state[0] = 0x80000000;
  }

  /** The next 32 bits, as an integer in [0, 2^32). */
  next(): number {
    if (this.#at === SIZE) this.#twist();
    let y = this.#state[this.#at] as number;
    this.#at += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % SIZE] as number) & 0x7fffffff);
      state[i] = (state[(i + SHIFT) % SIZE] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }
}

function mixed(state: Uint32Array, i: number): number {
  const word = state[i] as number;
  return word ^ (word >>> 30);
}

/** The 32-bit words of |seed|, least significant first; at least one. */
function wordsOf(seed: number | bigint): number[] {
  let rest = BigInt(seed);
  if (rest < 0n) rest = -rest;
  const words: number[] = [];
  do {
    words.push(Number(rest & 0xffffffffn));
    rest >>= 32n;
  } while (rest > 0n);
  return words;
}
