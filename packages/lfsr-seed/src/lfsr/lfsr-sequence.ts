import { jump } from "./lfsr-jump.ts";
import { step } from "./lfsr-step.ts";
import { checkRegister, checkSeed, type LfsrRegister } from "./taps.ts";

/**
 * The whole cycle from state 1 on: `[1, step(1), step(step(1)), ...]`, 2^K - 1 states.
 *
 * @throws RangeError when K or taps are outside their range
 */
export function lfsrSequence(register: LfsrRegister): Uint32Array<ArrayBuffer> {
  const { K, taps } = checkRegister("lfsrSequence", register);
  const states = new Uint32Array(2 ** K - 1);
  let state = 1;
  for (let i = 0; i < states.length; i++) {
    states[i] = state;
    state = step(state, K, taps);
  }
  return states;
}

/**
 * Where a seed stands in the cycle that begins at state 1: the `i` with `lfsrJump(1, i) = seed`. That is the number
 * under which the paper's Algorithm 2 would store it; our files store the register state.
 *
 * @throws RangeError when seed, K or taps are outside their range, or the taps are not maximal and never reach `seed`
 */
export function seedToIndex(seed: number, register: LfsrRegister): number {
  const { K, taps } = checkRegister("seedToIndex", register);
  checkSeed("seedToIndex", seed, K);
  // Baby steps, giant steps: the seed, walked on by b, meets one of the states a * stride.
  const period = 2 ** K - 1;
  const stride = Math.ceil(Math.sqrt(period));
  const giants = new Map<number, number>();
  for (let a = 1, state = 1; a <= stride; a++) {
    state = jump(state, stride, K, taps);
    if (!giants.has(state)) giants.set(state, a * stride);
  }
  for (let b = 0, state = seed; b < stride; b++) {
    const reached = giants.get(state);
    if (reached !== undefined) return (reached - b) % period;
    state = step(state, K, taps);
  }
  throw new RangeError(
    `seedToIndex: seed ${seed} is not on the cycle of state 1 with taps 0x${taps.toString(16)}, K = ${K}. ` +
      "Use taps for which isMaximalLength holds.",
  );
}

/**
 * The state at a place of the cycle that begins at state 1: `lfsrJump(1, index)`.
 *
 * @param index - an integer >= 0
 * @throws RangeError when index, K or taps are outside their range
 */
export function indexToSeed(index: number, register: LfsrRegister): number {
  const { K, taps } = checkRegister("indexToSeed", register);
  if (!(Number.isSafeInteger(index) && index >= 0)) {
    throw new RangeError(
      `indexToSeed: index is ${index}, expected an integer >= 0. The cycle has ${2 ** K - 1}.`,
    );
  }
  return jump(1, index, K, taps);
}
