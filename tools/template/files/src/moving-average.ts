export interface MovingAverageOptions {
  /** The weight of the past, in [0, 1). @default 0.9 */
  decay?: number;
}

/**
 * Exponential moving average: `y[0] = x[0]`, `y[t] = decay y[t-1] + (1 - decay) x[t]`.
 *
 * @param x - values [T]
 * @returns the averages [T]
 * @throws RangeError when `decay` is outside [0, 1)
 */
export function movingAverage(x: readonly number[], options: MovingAverageOptions = {}): number[] {
  const { decay = 0.9 } = options;
  if (!(decay >= 0 && decay < 1)) {
    throw new RangeError(
      `movingAverage: decay is ${decay}, expected [0, 1). Use 0 to keep every value as it is.`,
    );
  }

  const averages: number[] = [];
  for (const value of x) {
    averages.push(decay * (averages.at(-1) ?? value) + (1 - decay) * value);
  }
  return averages;
}
