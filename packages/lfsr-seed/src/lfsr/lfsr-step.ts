import { checkRegister, checkSeed, type LfsrRegister } from "./taps.ts";

/**
 * One step of the register (Fibonacci form): the XOR of the tapped bits enters at the top, all bits move one place
 * down, bit 0 (the oldest) leaves.
 *
 * @param state - 1..2^K - 1
 * @returns the next state
 * @throws RangeError when state, K or taps are outside their range
 * @see arXiv:2410.10714, section 3.1
 */
export function lfsrStep(state: number, register: LfsrRegister): number {
  const { K, taps } = checkRegister("lfsrStep", register);
  checkSeed("lfsrStep", state, K);
  return step(state, K, taps);
}

/**
 * The `n` states after `seed`; the seed itself is not among them.
 *
 * @throws RangeError when seed, K or taps are outside their range, or `n` is not an integer >= 0
 */
export function lfsrStates(seed: number, n: number, register: LfsrRegister): Uint32Array<ArrayBuffer> {
  const { K, taps } = checkRegister("lfsrStates", register);
  checkSeed("lfsrStates", seed, K);
  if (!(Number.isSafeInteger(n) && n >= 0)) {
    throw new RangeError(`lfsrStates: n is ${n}, expected an integer >= 0. Say how many states you want.`);
  }
  const states = new Uint32Array(n);
  let state = seed;
  for (let i = 0; i < n; i++) {
    state = step(state, K, taps);
    states[i] = state;
  }
  return states;
}

/** As `lfsrStep`, unchecked. */
export function step(state: number, K: number, taps: number): number {
  return (state >>> 1) | (parity(state & taps) << (K - 1));
}

/** XOR of the bits of a number below 2^24. */
function parity(bits: number): number {
  let x = bits ^ (bits >>> 16);
  x ^= x >>> 8;
  x ^= x >>> 4;
  return (0x6996 >>> (x & 15)) & 1; // bit i is the parity of the nibble i
}
