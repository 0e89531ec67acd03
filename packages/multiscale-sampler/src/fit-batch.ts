/**
 * How many samples of `cost` each fit into `budget`: `max(1, floor(budget / cost))`, where the quotient is first rounded
 * to two decimals, as in the reference. So 106.996 is 107, and one sample always fits.
 */
export function fitBatch(budget: number, cost: number): number {
  const quotient = budget / cost;
  const whole = Math.floor(quotient);
  return Math.max(1, quotient - whole > 0.995 ? whole + 1 : whole);
}
