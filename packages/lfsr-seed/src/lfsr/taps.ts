/** Feedback taps of a maximal register for every K, as bit masks (bit j set: tap j). */
const masks: readonly number[] = [
  0x3, 0x3, 0x3, 0x5, 0x3, 0x3, 0x1d, 0x11, 0x9, 0x5, 0x107, 0x27, 0x1007, 0x3, 0x100b, 0x9, 0x81, 0x27, 0x9,
  0x5, 0x3, 0x21, 0x87,
]; // K = 2..24

/** A linear feedback shift register: its length in bits, and its taps where they are not the paper's. */
export interface LfsrRegister {
  /** Length in bits, 2..24. */
  K: number;
  /** Bit mask of the taps: bit j set means that bit j feeds back. @default the paper's, `lfsrTaps(K)` */
  taps?: number | undefined;
}

/**
 * The paper's taps for a register of K bits, as a bit mask: 0x100b (taps 0, 1, 3, 12) for K = 16. With them the
 * register visits all 2^K - 1 non-zero states.
 *
 * @param K - 2..24
 * @throws RangeError when K is outside
 * @see Shafipour et al. 2024, arXiv:2410.10714, table 6
 */
export function lfsrTaps(K: number): number {
  const mask = masks[K - 2];
  if (mask !== undefined) return mask;
  throw new RangeError(`lfsrTaps: K is ${K}, expected an integer in [2, 24]. The paper uses 16.`);
}

/** The register with its taps filled in. @throws RangeError when K or the taps are not those of a register */
export function checkRegister(who: string, register: LfsrRegister): { K: number; taps: number } {
  const { K, taps = lfsrTaps(K) } = register;
  lfsrTaps(K);
  if (!(Number.isInteger(taps) && taps > 0 && taps < 2 ** K && taps % 2 === 1)) {
    throw new RangeError(
      `${who}: taps is ${taps}, expected an odd bit mask below 2^${K}: without tap 0 two states would step to one. ` +
        `Leave it out for the paper's, 0x${lfsrTaps(K).toString(16)}.`,
    );
  }
  return { K, taps };
}

/** Throws unless `seed` is a state of a register of K bits. */
export function checkSeed(who: string, seed: number, K: number): void {
  if (Number.isInteger(seed) && seed > 0 && seed < 2 ** K) return;
  throw new RangeError(
    `${who}: seed is ${seed}, expected an integer in [1, 2^${K}). 0 is no seed: the register would stay at 0.`,
  );
}
