import type { Point } from "./messages.ts";

const count = 10;

/** The mean of the last ten points that are not after a step; NaN where there is none. */
export function meanOfLast(points: readonly Point[], { until }: { until: number }): number {
  const end = points.findLastIndex(({ step }) => step <= until) + 1;
  const recent = points.slice(Math.max(0, end - count), end);
  return recent.reduce((sum, { bits }) => sum + bits, 0) / recent.length;
}
