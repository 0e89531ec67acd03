/** What a list of timings says: order statistics only, because timings have a long right tail. */
export interface Summary {
  count: number;
  min: number;
  /** First quartile. */
  q1: number;
  median: number;
  /** Third quartile. */
  q3: number;
  max: number;
}

/**
 * The `p`-quantile by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996,
 * the default of NumPy and R): position `p (n - 1)` in the sorted list.
 *
 * @param values - finite numbers, in any order; not changed
 * @param p - in [0, 1]
 * @throws RangeError when `values` is empty or holds a number that is not finite, or `p` is outside [0, 1]
 */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) throw new RangeError("quantile: got no values. Measure at least one round.");
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) {
    throw new RangeError(`quantile: got ${bad}, expected finite numbers. Look at the contender's timer.`);
  }
  if (!(p >= 0 && p <= 1)) {
    throw new RangeError(`quantile: p is ${p}, expected [0, 1]. Use 0.5 for the median.`);
  }

  const sorted = Float64Array.from(values).sort();
  const position = p * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] ?? 0;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? 0;
  return low + (position - below) * (high - low);
}

/** The middle value, or the mean of the two middle values. Throws as `quantile` does. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Count, extremes and quartiles of `values`. Throws as `quantile` does. */
export function summarize(values: readonly number[]): Summary {
  return {
    count: values.length,
    min: quantile(values, 0),
    q1: quantile(values, 0.25),
    median: quantile(values, 0.5),
    q3: quantile(values, 0.75),
    max: quantile(values, 1),
  };
}
