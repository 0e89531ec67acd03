import { checkExpBias } from "./exponent-rule.ts";
import { floorLog2 } from "./power-of-two.ts";

/** Where the window of 16 exponents begins: fitted to the tensor, the paper's -8, or a number. */
export type ExpBias = "auto" | "paper" | number;

/** The paper's window, [-8, 7]. */
export const paperExpBias = -8;

/**
 * The window for blocks whose largest root mean square is `rms`: from 13 octaves below it to 2 above, moved to where
 * all its scales are normal float32 numbers. -8 where everything is 0.
 */
export function autoExpBias(rms: number, K: number): number {
  if (rms === 0) return paperExpBias;
  return Math.min(Math.max(floorLog2(rms) - 13, K - 127), 112);
}

/** The window's number, where it does not depend on the weights. @throws RangeError when it is none */
export function fixedExpBias(who: string, expBias: ExpBias, K: number): number | undefined {
  if (expBias === "auto") return undefined;
  const low = expBias === "paper" ? paperExpBias : expBias;
  checkExpBias(who, low, K);
  return low;
}
