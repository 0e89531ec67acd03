import { checkCount } from "./check.ts";

/** Pixels: one number for a square, or both sides. */
export type Size = number | Sides;

export interface Sides {
  readonly height: number;
  readonly width: number;
}

/** Both sides of `size`. @throws RangeError unless they are whole numbers of at least 1 */
export function toSides(name: string, size: Size): Sides {
  if (typeof size === "number") {
    checkCount(name, size, 1, "Pass pixels, such as 224, or { height, width }.");
    return { height: size, width: size };
  }
  checkCount(`${name}.height`, size.height, 1, "Pass pixels, such as 224.");
  checkCount(`${name}.width`, size.width, 1, "Pass pixels, such as 224.");
  return size;
}
