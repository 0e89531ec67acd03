/**
 * bfloat16 to single precision: exact, the lower 16 bits are zero.
 *
 * @param halves - upper 16 bits of float32
 * @param into - where the result goes, of the same length; a new array where nothing is said
 */
export function decodeBfloat16(
  halves: Uint16Array,
  into: Float32Array<ArrayBuffer> = new Float32Array(halves.length),
): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(into.buffer, into.byteOffset, halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
  return into;
}

/**
 * Single precision to bfloat16: rounds to nearest, ties to even; NaN stays NaN.
 *
 * @param into - where the result goes, of the same length; a new array where nothing is said
 * @returns upper 16 bits of float32
 */
export function encodeBfloat16(
  values: Float32Array,
  into: Uint16Array<ArrayBuffer> = new Uint16Array(values.length),
): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i] as number;
    const isNan = (x & 0x7fffffff) > 0x7f800000;
    // Rounding could carry NaN over to zero, and cutting could leave infinity: set the quiet bit instead.
    into[i] = isNan ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return into;
}
