const STEPS = 256;
const LN2_HIGH = Math.fround(Math.LN2 / STEPS); // times a number of steps without rounding
const LN2_LOW = Math.LN2 / STEPS - LN2_HIGH;
const halves = /* @__PURE__ */ Float64Array.from({ length: 1075 }, (_, i) => 2 ** -i);
const roots = /* @__PURE__ */ Float64Array.from({ length: STEPS }, (_, i) => 2 ** (-i / STEPS));

/**
 * e⁻ˣ for x >= 0, in two thirds of the time of `Math.exp`, which is most of what sampling from a vocabulary costs: 2 to
 * the whole steps of ln 2 / 256 by tables, what is left (below 0.0028) by its series.
 *
 * @returns with a relative error of at most (4 + x) · 2⁻⁵³ down to the smallest normal number; 0 of infinity; NaN of NaN
 */
export function expDown(x: number): number {
  const steps = Math.floor(x * (STEPS / Math.LN2));
  if (!(steps < (halves.length - 1) * STEPS)) return Math.exp(-x);
  const r = steps * LN2_HIGH - x + steps * LN2_LOW;
  const series = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r / 120))));
  return (halves[steps >> 8] as number) * (roots[steps & 255] as number) * series;
}
