import { decodeFloat16, encodeFloat16 } from "@corenet/core";

/** A way to store weights: bits per weight with its scales, and what comes back. */
export interface Scheme {
  readonly name: string;
  readonly bits: number;
  restore(weights: Float32Array): Float32Array;
}

/** The 16 levels of NF4: quantiles of a normal distribution, in [-1, 1]. @see arXiv:2305.14314, appendix E */
const nf4 = [
  -1, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0, 0.0795803, 0.1609302,
  0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
];

/** Symmetric integers of so many bits, one float16 scale for a group: largest magnitude / (2^(bits-1) - 1). */
export function absmax(bits: number, group: number): Scheme {
  const top = 2 ** (bits - 1) - 1;
  return {
    ...{ name: `int${bits} g${group} absmax`, bits: bits + 16 / group },
    restore: (w) => byGroup(w, group, (part) => rounded(part, toHalf(largest(part) / top), top)),
  };
}

/** As `absmax`, the scale shrunk by the ratio in 0.50..1.00 with the least squared error. */
export function clipped(bits: number, group: number): Scheme {
  const top = 2 ** (bits - 1) - 1;
  return {
    ...{ name: `int${bits} g${group} clipped`, bits: bits + 16 / group },
    restore: (w) =>
      byGroup(w, group, (part) => {
        const max = largest(part);
        let best = rounded(part, toHalf(max / top), top);
        for (let percent = 50; percent < 100; percent++) {
          const other = rounded(part, toHalf((max * percent) / 100 / top), top);
          if (squaredError(part, other) < squaredError(part, best)) best = other;
        }
        return best;
      }),
  };
}

export function normalFloat4(group: number): Scheme {
  return {
    ...{ name: `NF4 g${group}`, bits: 4 + 16 / group },
    restore: (w) =>
      byGroup(w, group, (part) => {
        const scale = toHalf(largest(part));
        return part.map((x) => scale * nearest(nf4, scale === 0 ? 0 : x / scale));
      }),
  };
}

export const float16: Scheme = {
  ...{ name: "float16", bits: 16 },
  restore: (w) => decodeFloat16(encodeFloat16(w)),
};

/** Sum of squared differences. */
export function squaredError(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + (x - (b[i] as number)) ** 2, 0);
}

function byGroup(
  w: Float32Array,
  group: number,
  restore: (part: Float32Array) => Float32Array,
): Float32Array {
  const out = new Float32Array(w.length);
  for (let at = 0; at < w.length; at += group) out.set(restore(w.subarray(at, at + group)), at);
  return out;
}

function rounded(part: Float32Array, scale: number, top: number): Float32Array {
  if (scale === 0) return new Float32Array(part.length);
  return part.map((x) => scale * Math.max(-top - 1, Math.min(top, Math.round(x / scale))));
}

function largest(part: Float32Array): number {
  return part.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
}

function toHalf(x: number): number {
  return decodeFloat16(encodeFloat16(Float32Array.of(x)))[0] as number;
}

function nearest(levels: readonly number[], x: number): number {
  return levels.reduce((best, level) => (Math.abs(level - x) < Math.abs(best - x) ? level : best));
}
