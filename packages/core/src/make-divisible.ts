/**
 * The multiple of `divisor` nearest to `value`: halves go up, and what would lose more than 10 % takes the next one.
 *
 * @param value - a width, or a length in pixels or tokens, above 0
 * @returns at least `divisor`
 */
export function makeDivisible(value: number, divisor: number): number {
  const nearest = Math.max(divisor, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return nearest < 0.9 * value ? nearest + divisor : nearest;
}
