import { decodeFloat16, encodeFloat16 } from "./float16.ts";

/** Numbers that share one scale: neighbours along the input axis, as in GGUF's q8_0 and q4_0. */
export const GROUP_SIZE = 32;

/** Integers and the scales that make numbers of them. A row is padded with zeros to whole groups. */
export interface QuantizedRows {
  readonly format: "int8" | "int4";
  readonly rows: number;
  readonly columns: number;
  /** Of a row: ⌈columns / 32⌉. */
  readonly groups: number;
  /**
   * int8: 32 bytes for each group, signed. int4: 16 bytes for each, in [0, 15] with 8 for zero, number j in the lower
   * half of byte j and number j + 16 in the upper.
   */
  readonly quants: Uint8Array<ArrayBuffer>;
  /** One f16 for each group [rows · groups]. */
  readonly scales: Uint16Array<ArrayBuffer>;
}

/**
 * Rounds rows of numbers to 8 or 4 bits, group by group: a number is `scale · q` (int8, |q| ≤ 127, scale = the largest
 * absolute value / 127) or `scale · (q − 8)` (int4, where the number of the largest absolute value gets q = 0, so the
 * scale may be negative). A number of a group whose largest is m is off by at most m (1/254 + 2^−11) or m (1/8 + 2^−10),
 * and by 2^−18 where m is so small that f16 loses bits of its scale.
 *
 * @param values - [rows, columns], row after row
 * @throws RangeError naming the first number that is not finite, or too large for a scale in f16
 * @see ggml-org/llama.cpp, ggml-quants.c, quantize_row_q8_0_ref and quantize_row_q4_0_ref: the same bits
 */
export function quantizeRows(
  values: Float32Array,
  { rows, columns, format }: { rows: number; columns: number; format: "int8" | "int4" },
): QuantizedRows {
  return rowQuantizer({ mostRows: rows, columns, format })(values);
}

/**
 * `quantizeRows` for the rows of one matrix in several blocks: each call takes the rows that follow, at most `mostRows`.
 *
 * @returns what the next call writes over
 */
export function rowQuantizer({
  mostRows,
  columns,
  format,
}: {
  mostRows: number;
  columns: number;
  format: "int8" | "int4";
}): (values: Float32Array) => QuantizedRows {
  const groups = Math.ceil(columns / GROUP_SIZE);
  const groupBytes = format === "int8" ? GROUP_SIZE : GROUP_SIZE / 2;
  const wide = new Float32Array(mostRows * groups);
  const narrow = new Uint16Array(mostRows * groups);
  const bytes = new Uint8Array(mostRows * groups * groupBytes);
  const group = new Float32Array(GROUP_SIZE);
  let done = 0; // rows of earlier calls

  return (values) => {
    const rows = columns === 0 ? mostRows : values.length / columns;
    const count = rows * groups;
    for (let i = 0; i < count; i++) {
      const column = (i % groups) * GROUP_SIZE;
      const from = Math.floor(i / groups) * columns + column;
      const held = Math.min(GROUP_SIZE, columns - column);
      for (let j = 0; j < held; j++) group[j] = values[from + j] as number;
      if (held < GROUP_SIZE) group.fill(0, held);
      const largest = largestOf(group);
      const scale = Math.fround(format === "int8" ? Math.abs(largest) / 127 : largest / -8);
      if (!(Math.abs(scale) < 65520)) throw tooLarge(group, format, done * columns + from, columns);
      wide[i] = scale;
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      if (format === "int8") putInt8(group, inverse, bytes, i * GROUP_SIZE);
      else putInt4(group, inverse, bytes, (i * GROUP_SIZE) / 2);
    }
    done += rows;
    const scales = encodeFloat16(wide.subarray(0, count), narrow.subarray(0, count));
    return { format, rows, columns, groups, quants: bytes.subarray(0, count * groupBytes), scales };
  };
}

/** The numbers that the integers stand for [rows, columns]. */
export function dequantizeRows(quantized: QuantizedRows): Float32Array<ArrayBuffer> {
  const { format, rows, columns, groups, quants } = quantized;
  const scales = decodeFloat16(quantized.scales);
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const group = row * groups + Math.floor(column / GROUP_SIZE);
      const j = column % GROUP_SIZE;
      const byte = quants[format === "int8" ? group * 32 + j : group * 16 + (j % 16)] as number;
      const q = format === "int8" ? (byte << 24) >> 24 : ((j < 16 ? byte : byte >> 4) & 15) - 8;
      values[row * columns + column] = q * (scales[group] as number);
    }
  }
  return values;
}

/** The number of the largest absolute value, with its sign; NaN if one is. */
function largestOf(group: Float32Array): number {
  let largest = 0;
  let size = 0;
  for (let j = 0; j < GROUP_SIZE; j++) {
    const value = group[j] as number;
    const absolute = Math.abs(value);
    if (absolute <= size) continue;
    if (Number.isNaN(value)) return value;
    largest = value;
    size = absolute;
  }
  return largest;
}

function putInt8(group: Float32Array, inverse: number, quants: Uint8Array, at: number): void {
  for (let j = 0; j < GROUP_SIZE; j++) {
    const x = Math.fround((group[j] as number) * inverse);
    quants[at + j] = (x < 0 ? x - 0.5 : x + 0.5) | 0; // half away from zero, as C's roundf
  }
}

function putInt4(group: Float32Array, inverse: number, quants: Uint8Array, at: number): void {
  const half = GROUP_SIZE / 2;
  for (let j = 0; j < half; j++) {
    quants[at + j] = toInt4(group[j] as number, inverse) | (toInt4(group[j + half] as number, inverse) << 4);
  }
}

function toInt4(value: number, inverse: number): number {
  const q = Math.fround(Math.fround(value * inverse) + 8.5) | 0;
  return q > 15 ? 15 : q;
}

function tooLarge(group: Float32Array, format: string, from: number, columns: number): RangeError {
  const bad = group.findIndex((value) => !Number.isFinite(value));
  const j = Math.max(bad, 0);
  const place = `number [${Math.floor((from + j) / columns)}, ${(from + j) % columns}]`;
  const reason = bad < 0 ? "is in a group that needs a scale beyond f16's 65504" : `is ${group[j]}`;
  return new RangeError(
    `quantizeRows: ${place} ${reason}, expected finite numbers up to ${format === "int8" ? "8.3e6" : "5.2e5"}. ` +
      "Take a sound checkpoint, or keep this matrix in float32.",
  );
}
