import { makeDivisible } from "@corenet/core";
import { checkCount, checkScaleCount } from "./check.ts";
import { linspace, sideList } from "./side-list.ts";
import { type Sides, type Size, toSides } from "./size.ts";

/** Which sizes images may take. */
export interface ImageSizesOptions {
  /** The crop of single-scale training, from which the budget of a batch is counted. */
  baseSize: Size;
  /** @default 160 */
  minSize?: Size;
  /** @default 320 */
  maxSize?: Size;
  /** Sizes from min to max; those that round to one are one. @default 5 */
  count?: number;
  /** Every side is a multiple. @default 32 */
  divisor?: number;
  /** Whether the base is in the list always, as in the reference, or only where it lies from min to max. @default "always" */
  includeBase?: "always" | "inRange";
  /**
   * How heights meet widths: at the same fraction of their ranges, or at the same rank of their sorted lists. The
   * second is the reference's, and loses sizes where the base stands at different ranks. @default "range"
   */
  pairing?: "range" | "rank";
}

/**
 * The sizes of `options`, each once, sorted by height, then width.
 *
 * @throws RangeError when a size is not whole, min exceeds max, or the divisor exceeds min
 */
export function imageSizes(who: string, options: ImageSizesOptions): Sides[] {
  const { count = 5, divisor = 32, includeBase = "always", pairing = "range" } = options;
  const base = toSides(`${who}: baseSize`, options.baseSize);
  const min = toSides(`${who}: minSize`, options.minSize ?? 160);
  const max = toSides(`${who}: maxSize`, options.maxSize ?? 320);
  checkScaleCount(`${who}: count`, count);
  checkCount(`${who}: divisor`, divisor, 1, "Use 32, or the patch size of the model.");
  for (const side of ["height", "width"] as const)
    checkRange(`${who}: `, side, min[side], max[side], divisor);

  const withBase = includeBase === "always" || within(base, min, max);
  const list = (side: "height" | "width") => {
    const range = { min: min[side], max: max[side], count, divisor };
    if (withBase && pairing === "rank") return sideList({ base: base[side], ...range });
    const sides = linspace(range.min, range.max, count);
    if (withBase) sides.push(base[side]);
    return sides.map((value) => makeDivisible(value, divisor));
  };
  const widths = list("width");
  const pairs = list("height").flatMap((height, i) => {
    const width = widths[i]; // none where the base stands in one list only
    return width === undefined ? [] : [{ height, width }];
  });
  const distinct = new Map(pairs.map((pair) => [`${pair.height} ${pair.width}`, pair]));
  return [...distinct.values()].sort((a, b) => a.height - b.height || a.width - b.width);
}

/** Throws unless `min <= max` and `divisor <= min`. */
export function checkRange(who: string, what: string, min: number, max: number, divisor: number): void {
  if (min > max) {
    throw new RangeError(
      `${who}min ${what} is ${min} and max ${what} is ${max}, expected min <= max. Swap them, or use one value for both.`,
    );
  }
  if (divisor > min) {
    throw new RangeError(
      `${who}divisor is ${divisor}, expected at most the min ${what}, ${min}, which it would round up. ` +
        `Use a divisor of at most ${min}, or a min ${what} of ${divisor}.`,
    );
  }
}

function within(base: Sides, min: Sides, max: Sides): boolean {
  return (["height", "width"] as const).every((side) => min[side] <= base[side] && base[side] <= max[side]);
}
