// Order statistics of a vocabulary in linear time: what top-k and top-p need, without sorting all of it. Numbers are
// thrown into bins by their first bits; only the bin in which the answer lies is sorted.

const binBits = 15; // sign, exponent and the first three bits of the fraction of a float64

/** The bin of each number: a larger number is never in a lower bin. */
function binsOf(values: Float64Array): Uint16Array {
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * values.length);
  const bins = new Uint16Array(values.length);
  for (let i = 0; i < bins.length; i++) {
    const high = words[2 * i + 1] as number; // every machine that runs JavaScript today is little-endian
    // The bits of a float64 grow with a positive number, and fall with a negative one.
    bins[i] = (high < 0 ? ~high : high | (1 << 31)) >>> (32 - binBits);
  }
  return bins;
}

/** What one bin holds, in ascending order. */
function sortedBin(values: Float64Array, bins: Uint16Array, bin: number): Float64Array {
  const held = new Float64Array(values.length);
  let count = 0;
  for (let i = 0; i < bins.length; i++) if (bins[i] === bin) held[count++] = values[i] as number;
  return held.subarray(0, count).sort();
}

/**
 * The k-th largest value, counted from 1.
 *
 * @param logits - at least k numbers, none NaN
 */
export function kthLargest(logits: ArrayLike<number>, k: number): number {
  if (k <= logits.length / 32) return kthLargestOfFew(logits, k);
  const values = new Float64Array(logits);
  const bins = binsOf(values);
  const counts = new Uint32Array(2 ** binBits);
  for (let i = 0; i < bins.length; i++) counts[bins[i] as number] = (counts[bins[i] as number] as number) + 1;
  let above = 0; // in higher bins
  let bin = counts.length - 1;
  for (; above + (counts[bin] as number) < k; bin--) above += counts[bin] as number;
  return sortedBin(values, bins, bin).at(above - k) as number;
}

/** The same where k is small: numbers above the k largest so far are rare, and k of them are taken in at a time. */
function kthLargestOfFew(logits: ArrayLike<number>, k: number): number {
  const held = new Float64Array(2 * k);
  let least = Number.NEGATIVE_INFINITY; // of the k largest so far
  let count = 0;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i] as number;
    if (value <= least && count >= k) continue;
    held[count++] = value;
    if (count < held.length) continue;
    held.sort().copyWithin(0, k);
    count = k;
    least = held[0] as number;
  }
  return held.subarray(0, count).sort()[count - k] as number;
}

/**
 * How many of the smallest weights sum to no more than `most`: all below `below`, and `equals` of those that equal it.
 *
 * @param weights - at least one, none negative or NaN
 */
export function lightest(weights: Float64Array, most: number): { below: number; equals: number } {
  // What is below its share of `most` goes in any case, and most of a vocabulary is: only the rest is ranked.
  const share = most / weights.length;
  const rest = new Float64Array(weights.length);
  let sum = 0;
  let count = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight < share) sum += weight;
    else rest[count++] = weight;
  }
  return count === 0 ? lightestOf(weights, 0, most) : lightestOf(rest.slice(0, count), sum, most);
}

/** `lightest` of these weights, where `sum` of smaller ones has gone before. */
function lightestOf(weights: Float64Array, sum: number, most: number): { below: number; equals: number } {
  const bins = binsOf(weights);
  const sums = new Float64Array(2 ** binBits);
  let highest = 0;
  for (let i = 0; i < bins.length; i++) {
    const bin = bins[i] as number;
    sums[bin] = (sums[bin] as number) + (weights[i] as number);
    if (bin > highest) highest = bin;
  }
  let bin = 0;
  for (; bin < highest && sum + (sums[bin] as number) <= most; bin++) sum += sums[bin] as number;

  let below = 0;
  let equals = 0;
  for (const weight of sortedBin(weights, bins, bin)) {
    if (weight > below) [below, equals] = [weight, 0];
    sum += weight;
    if (sum > most) break;
    equals += 1;
  }
  return { below, equals };
}
