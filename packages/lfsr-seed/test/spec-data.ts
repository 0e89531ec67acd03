/** The generator of specs/lfsr-seed.md, section 7.2: mulberry32, numbers in [0, 1). */
export function mulberry32(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normal numbers by Box and Muller, cosine and sine of each pair, rounded to float32. */
export function specGaussian(seed: number, n: number): Float32Array<ArrayBuffer> {
  const random = mulberry32(seed);
  const values = new Float32Array(n);
  for (let i = 0; i < n; i += 2) {
    const u = 1 - random();
    const v = random();
    const m = Math.sqrt(-2 * Math.log(u));
    values[i] = m * Math.cos(2 * Math.PI * v);
    if (i + 1 < n) values[i + 1] = m * Math.sin(2 * Math.PI * v);
  }
  return values;
}

/** Student's t with 3 degrees of freedom, from four of `specGaussian` each. */
export function specHeavyTailed(seed: number, n: number): Float32Array<ArrayBuffer> {
  const z = specGaussian(seed, 4 * n);
  return Float32Array.from({ length: n }, (_, i) => {
    const [z0 = 0, z1 = 0, z2 = 0, z3 = 0] = z.subarray(4 * i, 4 * i + 4);
    return z0 / Math.sqrt((z1 * z1 + z2 * z2 + z3 * z3) / 3);
  });
}

/** The bits of float32 numbers, as in the specification. */
export function hexOf(values: Float32Array): string {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return [...bits].map((b) => b.toString(16).padStart(8, "0")).join(" ");
}
