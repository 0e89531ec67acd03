/**
 * Expected batches in an epoch of `samples`, where each draws its size from `batchSizes`, each equally likely:
 * `T(n) = 1 + mean(T(n - b))` with `T(n) = 0` for `n <= 0`. Exact; time grows with `samples` times the sizes.
 */
export function expectedUpdates(samples: number, batchSizes: readonly number[]): number {
  const longest = Math.max(...batchSizes);
  const ring = new Float64Array(longest + 1); // T(n) at n mod (longest + 1); T of what is not above 0 is 0
  for (let n = 1; n <= samples; n++) {
    let sum = 0;
    for (const size of batchSizes) if (size < n) sum += ring[(n - size) % (longest + 1)] as number;
    ring[n % (longest + 1)] = 1 + sum / batchSizes.length;
  }
  return samples > 0 ? (ring[samples % (longest + 1)] as number) : 0;
}
