import { checkCount } from "./check.ts";

/** Pixels: one number for a square, or both sides. */
export type Size = number | Sides;

export interface Sides {
  readonly height: number;
  readonly width: number;
}

/** Both sides of `size`. @throws RangeError unless they are whole numbers of at least 1 */
export function toSides(name: string, size: Size): Sides {
  const sides = typeof size === "number" ? { height: size, width: size } : size;
  for (const side of ["height", "width"] as const) {
    const who = size === sides ? `${name}.${side}` : name;
    checkCount(who, sides[side], 1, "Pass pixels, such as 224, or { height, width }.");
  }
  return sides;
}
