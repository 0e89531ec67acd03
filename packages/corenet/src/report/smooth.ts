/**
 * The exponential moving average of a curve, corrected for its start, as Adam does it.
 *
 * @param decay - in [0, 1): 0.95 remembers about 20 values
 */
export function smooth(values: readonly number[], { decay = 0.95 }: { decay?: number } = {}): number[] {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    sum = decay * sum + (1 - decay) * value;
    weight = decay * weight + (1 - decay);
    return sum / weight;
  });
}
