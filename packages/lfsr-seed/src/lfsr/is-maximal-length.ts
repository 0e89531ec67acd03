import { jump } from "./lfsr-jump.ts";
import { checkRegister, type LfsrRegister } from "./taps.ts";

/**
 * Whether the register visits all 2^K - 1 non-zero states before it repeats.
 *
 * The period of state 1 divides N = 2^K - 1 exactly when N steps lead back to it, and is N itself when N / p steps do
 * not, for each prime factor p of N.
 *
 * @throws RangeError when K or taps are outside their range
 */
export function isMaximalLength(register: LfsrRegister): boolean {
  const { K, taps } = checkRegister("isMaximalLength", register);
  const period = 2 ** K - 1;
  if (jump(1, period, K, taps) !== 1) return false;
  return primeFactors(period).every((p) => jump(1, period / p, K, taps) !== 1);
}

/** The different primes that divide n. */
function primeFactors(n: number): number[] {
  const primes: number[] = [];
  let rest = n;
  for (let p = 2; p * p <= rest; p++) {
    if (rest % p !== 0) continue;
    primes.push(p);
    while (rest % p === 0) rest /= p;
  }
  return rest > 1 && n > 1 ? [...primes, rest] : primes;
}
