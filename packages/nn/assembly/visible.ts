// Which keys a query sees: from the first of its document or row, past padding, to the last that causality leaves.

/** Keys that query row t may not see from which on: past + t + 1 when causal, else S. */
// @ts-ignore: decorator
@inline
export function visibleEnd(causal: i32, past: i32, t: i32, S: i32): i32 {
  return causal ? min(S, past + t + 1) : S;
}

/** The first key that query t of batch row b sees. validFrom: i32 [B, starts], starts being 1 or T; or 0 for none. */
// @ts-ignore: decorator
@inline
export function firstVisible(validFrom: usize, starts: i32, b: i32, t: i32): i32 {
  return validFrom ? max(0, load<i32>(validFrom + (<usize>(b * starts + (starts == 1 ? 0 : t)) << 2))) : 0;
}

/** Sets all of a line [n] to 0 but [begin, end). */
// @ts-ignore: decorator
@inline
export function clearOutside(line: usize, n: i32, begin: i32, end: i32): void {
  memory.fill(line, 0, <usize>begin << 2);
  memory.fill(line + (<usize>end << 2), 0, <usize>(n - end) << 2);
}
