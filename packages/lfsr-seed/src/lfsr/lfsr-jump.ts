import { step } from "./lfsr-step.ts";
import { checkRegister, checkSeed, type LfsrRegister } from "./taps.ts";

/**
 * The state `n` steps after `seed` (before it, where `n` is negative), by squaring the register's matrix over GF(2):
 * time grows with log n.
 *
 * @param n - a safe integer; negative only where the taps are maximal
 * @throws RangeError when seed, K, taps or `n` are outside their range
 */
export function lfsrJump(seed: number, n: number, register: LfsrRegister): number {
  const { K, taps } = checkRegister("lfsrJump", register);
  checkSeed("lfsrJump", seed, K);
  if (!Number.isSafeInteger(n)) {
    throw new RangeError(`lfsrJump: n is ${n}, expected a safe integer. Take it modulo 2^${K} - 1 first.`);
  }
  const period = 2 ** K - 1;
  return jump(seed, n < 0 ? (n % period) + period : n, K, taps);
}

/** As `lfsrJump` for n >= 0, unchecked. */
export function jump(seed: number, n: number, K: number, taps: number): number {
  let power = Array.from({ length: K }, (_, j) => step(1 << j, K, taps)); // column j: where bit j goes
  let state = seed;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) state = apply(power, state);
    power = power.map((column) => apply(power, column));
  }
  return state;
}

/** Matrix (its columns as bit masks) times vector over GF(2). */
function apply(columns: readonly number[], state: number): number {
  let result = 0;
  for (let j = 0; j < columns.length; j++) if ((state >>> j) & 1) result ^= columns[j] as number;
  return result;
}
