// Both directions go through the bits of float32, so that NaN payloads survive.

let decoded: Uint32Array | undefined; // float32 bits of all 65536 float16 numbers, made at first use

function decodeTable(): Uint32Array {
  const table = new Uint32Array(65536);
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) {
      table[half] = sign | 0x7f800000 | (fraction << 13);
    } else if (exponent > 0) {
      table[half] = sign | ((exponent + 112) << 23) | (fraction << 13); // biases 15 and 127
    } else if (fraction > 0) {
      const shift = Math.clz32(fraction) - 21; // a subnormal, made normal
      table[half] = sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
    } else {
      table[half] = sign;
    }
  }
  return table;
}

/**
 * Half precision to single: exact for every number.
 *
 * @param halves - IEEE binary16 bits
 * @param into - where the result goes, of the same length; a new array where nothing is said
 */
export function decodeFloat16(
  halves: Uint16Array,
  into: Float32Array<ArrayBuffer> = new Float32Array(halves.length),
): Float32Array<ArrayBuffer> {
  decoded ??= decodeTable();
  const bits = new Uint32Array(into.buffer, into.byteOffset, halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = decoded[halves[i] as number] as number;
  return into;
}

/**
 * Single precision to half: rounds to nearest, ties to even. Above 65504 (from 65520 on) it gives infinity, below
 * 2^-25 zero; NaN stays NaN.
 *
 * @param into - where the result goes, of the same length; a new array where nothing is said
 * @returns IEEE binary16 bits
 */
export function encodeFloat16(
  values: Float32Array,
  into: Uint16Array<ArrayBuffer> = new Uint16Array(values.length),
): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i] as number;
    const sign = (x >>> 16) & 0x8000;
    const magnitude = x & 0x7fffffff;
    if (magnitude >= 0x38800000 && magnitude < 0x47800000) {
      // Normal in both: [2^-14, 2^16). A carry into the exponent is right, up to infinity.
      into[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    } else if (magnitude > 0x7f800000) {
      into[i] = sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff); // quiet
    } else if (magnitude >= 0x47800000) {
      into[i] = sign | 0x7c00;
    } else if (magnitude > 0x33000000) {
      // Subnormal: shift the fraction with its leading 1 into units of 2^-24.
      const shift = 126 - (magnitude >>> 23); // 14 to 24
      const fraction = (magnitude & 0x7fffff) | 0x800000;
      const half = fraction >>> shift;
      const rest = fraction & ((1 << shift) - 1);
      const tie = 1 << (shift - 1);
      into[i] = sign | (half + (rest > tie || (rest === tie && (half & 1) === 1) ? 1 : 0));
    } else {
      into[i] = sign; // at most 2^-25: nearer to zero, or a tie, which is even
    }
  }
  return into;
}
