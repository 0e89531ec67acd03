import { makeDivisible } from "@corenet/core";

export interface SideListOptions {
  /** Always in the list, rounded. */
  base: number;
  min: number;
  max: number;
  /** How many from min to max. */
  count: number;
  divisor: number;
}

/**
 * The reference's list of side lengths: `count` from min to max evenly spaced, and the base, each rounded to a multiple
 * of the divisor and sorted. Two that round to one stay two; min above max and a min below the divisor pass, as there.
 *
 * @returns `count` or `count + 1` lengths: the latter where the base is not one of the evenly spaced
 */
export function sideList(options: SideListOptions): number[] {
  const { base, min, max, count, divisor } = options;
  const sides = new Set([...linspace(min, max, count), base]);
  return [...sides].map((side) => makeDivisible(side, divisor)).sort((a, b) => a - b);
}

/** `count` numbers from `min` to `max`, evenly spaced, both ends exact; only `min` where `count` is 1. */
export function linspace(min: number, max: number, count: number): number[] {
  if (count === 1) return [min];
  const step = (max - min) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? max : min + i * step));
}
