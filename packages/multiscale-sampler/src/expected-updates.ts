/**
 * Expected batches in an epoch of `samples`, where each draws its size from `batchSizes`, each equally likely:
 * `T(n) = 1 + mean(T(n - b))` with `T(n) = 0` for `n <= 0`. Exact; time grows with `samples` times the sizes, over the
 * greatest divisor that all sizes share.
 */
export function expectedUpdates(samples: number, batchSizes: readonly number[]): number {
  const shared = batchSizes.reduce(greatestDivisor);
  const sizes = batchSizes.map((size) => size / shared);
  const last = Math.ceil(samples / shared);
  const longest = Math.max(...sizes);
  const ring = new Float64Array(longest + 1); // T(n) at n mod (longest + 1); T of what is not above 0 is 0
  for (let n = 1; n <= last; n++) {
    let sum = 0;
    for (const size of sizes) if (size < n) sum += ring[(n - size) % (longest + 1)] as number;
    ring[n % (longest + 1)] = 1 + sum / sizes.length;
  }
  return last > 0 ? (ring[last % (longest + 1)] as number) : 0;
}

/** Euclid's. */
function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
