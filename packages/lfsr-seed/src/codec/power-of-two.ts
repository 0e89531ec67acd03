/** 2^e, exactly. Engines do not promise that of `**`. @param e - an integer in [-1000, 1000] */
export function powerOfTwo(e: number): number {
  let result = 1;
  let square = e < 0 ? 0.5 : 2;
  for (let rest = Math.abs(e); rest > 0; rest >>>= 1) {
    if (rest & 1) result *= square;
    square *= square;
  }
  return result;
}

/**
 * floor(log2 |x|), exactly, from the exponent field: `Math.log2` is off by one next to powers of two, and a wrong
 * exponent doubles every mantissa.
 *
 * @returns an integer; -Infinity for 0
 */
export function floorLog2(x: number): number {
  if (x === 0) return -Infinity;
  const high = new Uint32Array(Float64Array.of(x).buffer)[1] as number; // little-endian, as everywhere here
  const field = (high >>> 20) & 0x7ff;
  return field > 0 ? field - 1023 : floorLog2(x * 2 ** 54) - 54; // subnormal
}
