/** Throws a RangeError unless `value` is a whole number of at least `least`. */
export function checkCount(name: string, value: number, least: number, mend: string): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new RangeError(`${name} is ${value}, expected a whole number of at least ${least}. ${mend}`);
}

/** How many scales a list may have: more are a mistake, and would fill the memory. */
const MAX_SCALES = 1000;

/** Throws a RangeError unless `count` scales are as many as a list may have. */
export function checkScaleCount(name: string, count: number): void {
  checkCount(name, count, 1, "Use 5.");
  if (count <= MAX_SCALES) return;
  throw new RangeError(`${name} is ${count}, expected at most ${MAX_SCALES}. Use 5.`);
}
