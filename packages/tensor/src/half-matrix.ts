import { FormatError, ShapeError } from "@corenet/core";
import { checkDType, checkShape } from "./check.ts";
import { halfMatMulOp, halfRowsOp, type Payload } from "./kernels/half-matrix/op.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import { tensorFromPieces, toWords } from "./tensor-from-pieces.ts";
import type { Tensor, Tensor1D, Tensor2D } from "./types.ts";

/** A matrix whose numbers take 16 bits, half of float32; they are widened while they are multiplied. */
export class HalfMatrix implements PackedMatrix, Disposable {
  readonly format: "f16" | "bf16";
  readonly shape: readonly [number, number];
  readonly byteLength: number;
  readonly #payload: Payload;

  private constructor(payload: Payload, format: "f16" | "bf16", shape: readonly [number, number]) {
    this.#payload = payload;
    this.format = format;
    this.shape = shape;
    this.byteLength = payload.size * 4;
  }

  /**
   * @param bits - the 16 bits of each number, row after row, at once or as pieces of little-endian bytes
   * @throws FormatError when an f16 is infinite or NaN: weights are finite
   * @throws ShapeError when there are too many or too few
   */
  static async create(
    bits: Uint16Array | AsyncIterable<Uint8Array>,
    shape: readonly [number, number],
    format: "f16" | "bf16",
  ): Promise<HalfMatrix> {
    const [rows, columns] = shape;
    const pieces =
      bits instanceof Uint16Array ? [new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength)] : bits;
    const whole = toWords(checked(pieces, format), rows * columns * 2);
    const payload = await tensorFromPieces<Tensor1D>([Math.ceil((rows * columns) / 2)], "int32", whole);
    return new HalfMatrix(payload, format, shape);
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    checkDType("unpackRows: ids", ids, "int32");
    const [rows, columns] = this.shape;
    const [picked] = halfRowsOp([this.#payload, ids], { format: this.format, rows, columns });
    return picked;
  }

  multiply(x: Tensor, options: { transpose?: boolean } = {}): Tensor {
    const { transpose = false } = options;
    const [rows, columns] = this.shape;
    const from = transpose ? rows : columns;
    checkShape(
      `multiply: x for a matrix of ${rows} x ${columns}`,
      x,
      [...x.shape.slice(0, -1), from],
      "Match its last side.",
    );
    const [y] = halfMatMulOp([x, this.#payload], { format: this.format, rows, columns, transpose });
    return y;
  }

  dispose(): void {
    this.#payload.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Passes on what it looked at. */
async function* checked(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  format: "f16" | "bf16",
): AsyncGenerator<Uint8Array> {
  const exponent = format === "f16" ? 0x7c00 : 0x7f80;
  let before = 0;
  for await (const piece of pieces) {
    if (piece.length % 2 !== 0) {
      throw new ShapeError(
        `HalfMatrix: a piece has ${piece.length} bytes, expected an even number: two for each number.`,
      );
    }
    const aligned = piece.byteOffset % 2 === 0 ? piece : piece.slice();
    const bits = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
    const broken = firstNonFinite(bits, exponent);
    if (broken >= 0) {
      throw new FormatError(
        `HalfMatrix: element ${before / 2 + broken} is infinite or NaN, expected finite ${format} weights. Take a sound checkpoint.`,
      );
    }
    before += piece.length;
    yield piece;
  }
}

const chunk = 2 ** 12; // words between two looks at what was found

/**
 * -1 where all are finite. Looks at two numbers a word: the exponent's lowest bit added to an exponent of ones carries
 * into the sign's place, and no other exponent does. One by one, loading would take twice as long.
 */
function firstNonFinite(bits: Uint16Array, exponent: number): number {
  const ones = exponent * 0x10001;
  const lowest = (0x8000 - exponent) * 0x10001;
  const isAligned = bits.byteOffset % 4 === 0;
  const words = isAligned
    ? new Int32Array(bits.buffer, bits.byteOffset, bits.length >> 1)
    : new Int32Array(0);
  let at = 0;
  for (; at < words.length; at += chunk) {
    const end = Math.min(words.length, at + chunk);
    let carried = 0;
    for (let i = at; i < end; i++) carried |= ((words[i] as number) & ones) + lowest;
    if ((carried & 0x80008000) !== 0) break;
  }
  for (let i = 2 * Math.min(at, words.length); i < bits.length; i++)
    if (((bits[i] as number) & exponent) === exponent) return i;
  return -1;
}
