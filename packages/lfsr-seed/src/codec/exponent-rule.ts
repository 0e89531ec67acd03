/**
 * How a block's exponent follows from its largest coefficient, with f = floor(log2 max |t|):
 *
 * - `paper-literal`: f, as printed. Uses 5 of the 16 coefficients and loses 4 dB.
 * - `fit`: f - 2, which puts the largest coefficient into [4, 8).
 * - `best`: f - 2, f - 1 and f - 3, each with all neighbours of the rounded coefficients, by their true error.
 */
export type ExponentRule = "paper-literal" | "fit" | "best";

/** Exponents to try before clamping, relative to f, in their normative order. */
export const exponentSteps: Readonly<Record<ExponentRule, readonly number[]>> = {
  "paper-literal": [0],
  fit: [-2],
  best: [-2, -1, -3],
};

/** Exponent codes 0..15 to try for `f`, clamped to the window, each once. */
export function exponentCodes(rule: ExponentRule, f: number, expBias: number): number[] {
  const codes: number[] = [];
  for (const step of exponentSteps[rule]) {
    const code = Math.min(Math.max(f + step - expBias, 0), 15);
    if (!codes.includes(code)) codes.push(code);
  }
  return codes;
}

/** Throws unless `rule` is one of the three. */
export function checkExponentRule(who: string, rule: ExponentRule): void {
  if (Object.hasOwn(exponentSteps, rule)) return;
  throw new RangeError(
    `${who}: exponentRule is ${JSON.stringify(rule)}, expected "paper-literal", "fit" or "best". Leave it out for "best".`,
  );
}

/**
 * Throws unless 2^e and 2^e / (2^(K-1) - 1) are normal float32 numbers for all exponents of the window
 * [expBias, expBias + 15]: only then is decoding exact.
 */
export function checkExpBias(who: string, expBias: number, K: number): void {
  if (Number.isInteger(expBias) && expBias >= K - 127 && expBias <= 112) return;
  throw new RangeError(
    `${who}: expBias is ${expBias}, expected an integer in [${K - 127}, 112]. Use "auto", or -8, the paper's.`,
  );
}
