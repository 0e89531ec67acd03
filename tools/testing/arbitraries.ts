// fast-check arbitraries for tensors: small sizes, odd ones, nothing at all, and the values where kernels go wrong.
import fc from "fast-check";

export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, side) => product * side, 1);

/** Sides around the widths of vectors and tiles: 0 where allowed, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 65. */
export function oddSize({ min = 1, max = 65 } = {}): fc.Arbitrary<number> {
  const sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 49, 63, 65];
  return fc.constantFrom(...sizes.filter((size) => size >= min && size <= max));
}

/** Shapes of at most `maxSize` elements. `minSide: 0` brings empty ones. */
export function shape({
  minRank = 0,
  maxRank = 6,
  minSide = 1,
  maxSide = 9,
  maxSize = 600,
} = {}): fc.Arbitrary<number[]> {
  return fc
    .array(oddSize({ min: minSide, max: maxSide }), { minLength: minRank, maxLength: maxRank })
    .filter((sides) => sizeOf(sides) <= maxSize);
}

/** Two shapes that broadcast: each side is shared, 1 in one of them, or missing in front of one. */
export function broadcastPair({ maxRank = 6, minSide = 1 } = {}): fc.Arbitrary<[number[], number[]]> {
  return shape({ maxRank, minSide, maxSide: 5, maxSize: 300 }).chain((full) => {
    const one = fc.tuple(
      fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }),
      fc.nat(full.length),
    );
    const cut = (thin: boolean[], missing: number) =>
      full.map((side, i) => (thin[i] ? 1 : side)).slice(missing);
    return fc
      .tuple(one, one, fc.boolean())
      .map(([[thinA, missingA], [thinB, missingB], both]): [number[], number[]] => {
        const a = cut(thinA, missingA);
        return [a, both ? cut(thinB, missingB) : full];
      });
  });
}

/** A float32 in [min, max]. */
function real({ min = -4, max = 4 } = {}): fc.Arbitrary<number> {
  return fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });
}

/** An int32, extremes included. */
export function int32({ min = -(2 ** 31), max = 2 ** 31 - 1 } = {}): fc.Arbitrary<number> {
  const edges = [0, 1, -1, 16777217, -16777217, 2 ** 31 - 1, -(2 ** 31)].filter((n) => n >= min && n <= max);
  const any = fc.integer({ min, max });
  return edges.length ? fc.oneof(fc.constantFrom(...edges), any) : any;
}

/**
 * As many float32 as a shape holds. `extremes` brings NaN, ±infinity, ±0 and denormals among them; `tiny: false` makes
 * all below 1e-7 zero, for GPUs, which may take denormals for 0.
 */
export function values(
  size: number,
  { min = -4, max = 4, extremes = false, tiny = true } = {},
): fc.Arbitrary<Float32Array> {
  const plain = tiny ? real({ min, max }) : real({ min, max }).map((x) => (Math.abs(x) < 1e-7 ? 0 : x));
  const edge = fc.constantFrom(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0,
    -0,
    tiny ? 3.4e38 : 1e30, // whose quotients are no denormals
    tiny ? -3.4e38 : -1e30,
    tiny ? 1e-40 : 1e-7,
  );
  const one = extremes ? fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: edge }) : plain;
  return fc.array(one, { minLength: size, maxLength: size }).map((list) => Float32Array.from(list));
}

/** A row of numbers in [min, max]. */
export function row({ length = 8, min = -4, max = 4 } = {}): fc.Arbitrary<number[]> {
  return fc.array(real({ min, max }), { minLength: length, maxLength: length });
}

/** A factor between 1/8 and 8. */
export function scale(): fc.Arbitrary<number> {
  return real({ min: 0.125, max: 8 });
}
