/** Throws a RangeError unless `value` is a whole number of at least `least`. */
export function checkCount(name: string, value: number, least: number, mend: string): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new RangeError(`${name} is ${value}, expected a whole number of at least ${least}. ${mend}`);
}
