import { makeDivisible } from "@corenet/core";
import { checkCount } from "./check.ts";
import { checkRange } from "./image-sizes.ts";

/** How the range grows from its start, at progress 0, to its end, at 1. */
export type CurriculumShape =
  | "linear"
  /** `(1 - cos πp) / 2` */
  | "cosine"
  /** `p ** power` */
  | { readonly power: number }
  /** The fraction of the listed epochs that have begun; `growUntil` does not matter. */
  | { readonly milestones: readonly number[] }
  /** Your own, from the epoch; clamped to [0, 1]. */
  | ((epoch: number) => number);

export interface CurriculumOptions {
  /** Epochs of the whole training. */
  epochs: number;
  /** The part of the training, in (0, 1], over which the range grows. @default 0.5 */
  growUntil?: number;
  /** @default "linear" */
  shape?: CurriculumShape;
}

/**
 * How far a curriculum has come at `epoch`, in [0, 1]: a function of its arguments alone, so resuming is exact.
 *
 * @throws RangeError naming the option that cannot be
 */
export function curriculumProgress(epoch: number, options: CurriculumOptions): number {
  const { epochs, growUntil = 0.5, shape = "linear" } = options;
  checkCount("curriculum: epochs", epochs, 1, "Pass the epochs of the whole training.");
  if (!(growUntil > 0 && growUntil <= 1)) {
    throw new RangeError(`curriculum: growUntil is ${growUntil}, expected (0, 1]. Use 0.5.`);
  }
  const p = epochs === 1 ? 1 : Math.min(1, epoch / (growUntil * (epochs - 1)));
  // Engines differ in the last bits of cos and **, which must not reach the rounding of a side.
  return Math.round(Math.min(1, Math.max(0, grown(p, epoch, shape))) * 1e12) / 1e12;
}

function grown(p: number, epoch: number, shape: CurriculumShape): number {
  if (shape === "linear") return p;
  if (shape === "cosine") return (1 - Math.cos(Math.PI * p)) / 2;
  if (typeof shape === "function") {
    const progress = shape(epoch);
    if (!Number.isNaN(progress)) return progress;
    throw new TypeError(
      `curriculum: shape(${epoch}) is ${progress}, expected a number. Return one in [0, 1].`,
    );
  }
  if ("power" in shape) {
    if (shape.power > 0) return p ** shape.power;
    throw new RangeError(`curriculum: power is ${shape.power}, expected a number above 0. Use 2.`);
  }
  const { milestones } = shape;
  if (milestones.length === 0)
    throw new RangeError("curriculum: got no milestones. Pass at least one epoch.");
  return milestones.filter((milestone) => milestone <= epoch).length / milestones.length;
}

/** A range that moves. */
export interface MovingRange {
  startMin: number;
  startMax: number;
  endMin: number;
  endMax: number;
  divisor: number;
}

/** The range at `progress`: both ends interpolated and rounded to the divisor, the upper never below the lower. */
export function rangeAt(progress: number, range: MovingRange): { min: number; max: number } {
  const { startMin, startMax, endMin, endMax, divisor } = range;
  const min = makeDivisible(startMin + (endMin - startMin) * progress, divisor);
  return { min, max: Math.max(min, makeDivisible(startMax + (endMax - startMax) * progress, divisor)) };
}

/** Throws unless the range is one at its start and at its end. */
export function checkMovingRange(who: string, what: string, range: MovingRange): void {
  for (const key of ["startMin", "startMax", "endMin", "endMax", "divisor"] as const) {
    checkCount(`${who}: ${key} ${what}`, range[key], 1, "Pass a whole number, such as 128.");
  }
  checkRange(`${who}: start: `, what, range.startMin, range.startMax, range.divisor);
  checkRange(`${who}: end: `, what, range.endMin, range.endMax, range.divisor);
}
