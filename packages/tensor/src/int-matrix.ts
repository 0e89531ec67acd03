import { ShapeError } from "@corenet/core";
import { type QuantizedRows, rowQuantizer } from "@corenet/core/quantize";
import { checkDType, checkShape } from "./check.ts";
import { intMatMulOp, intRowsOp, type Quants, type Scales } from "./kernels/int-matrix/op.ts";
import { fromQuads, rowWords, toQuads } from "./kernels/int-matrix/quads.ts";
import { readData } from "./memory.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import { type Arrange, tensorFromPieces, tensorWriter, toWords } from "./tensor-from-pieces.ts";
import type { Tensor, Tensor1D, Tensor2D } from "./types.ts";

type Size = Pick<QuantizedRows, "format" | "rows" | "columns">;
type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * A matrix of 8-bit or 4-bit integers, 32 neighbours in a row sharing a scale: 8.5 or 4.5 bits a number. The integers
 * are those of GGUF's q8_0 and q4_0.
 */
export class IntMatrix implements PackedMatrix, Disposable {
  readonly format: "int8" | "int4";
  readonly shape: readonly [number, number];
  readonly byteLength: number;
  readonly #quants: Quants;
  readonly #scales: Scales;

  private constructor(
    { quants, scales }: { quants: Quants; scales: Scales },
    { format, rows, columns }: Size,
  ) {
    this.#quants = quants;
    this.#scales = scales;
    this.format = format;
    this.shape = [rows, columns];
    this.byteLength = 4 * (quants.size + scales.size);
  }

  /**
   * @param quantized - copied
   * @throws ShapeError when its arrays do not fit its sizes
   */
  static async create(quantized: QuantizedRows): Promise<IntMatrix> {
    const { format, rows, columns, groups, quants, scales } = quantized;
    const count = rows * groups;
    const bytes = count * (format === "int8" ? 32 : 16);
    if (groups !== Math.ceil(columns / 32) || quants.length !== bytes || scales.length !== count) {
      throw new ShapeError(
        `IntMatrix: got ${groups} groups a row, ${quants.length} bytes and ${scales.length} scales for ${format} ` +
          `[${rows}, ${columns}], expected ${Math.ceil(columns / 32)}, ${bytes} and ${count}. Take them from quantizeRows.`,
      );
    }
    const scaleBytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
    return IntMatrix.fromPieces(quantized, { quants: [quants], scales: [scaleBytes] });
  }

  /**
   * A matrix whose integers and scales, as `QuantizedRows` has them, come in pieces of bytes.
   *
   * @throws ShapeError when there are too many bytes or too few
   */
  static async fromPieces(
    size: Size,
    { quants, scales }: { quants: Pieces; scales: Pieces },
  ): Promise<IntMatrix> {
    const { format, rows, columns } = size;
    const count = rows * Math.ceil(columns / 32);
    const length = rows * rowWords({ format, columns });
    const words = await tensorFromPieces<Tensor1D>([length], "int32", quants, arrangeQuants(size));
    try {
      const padded = toWords(scales, 2 * count);
      const pairs = await tensorFromPieces<Tensor1D>(
        [Math.ceil(count / 2)],
        "int32",
        padded,
        arrangeScales(size),
      );
      return new IntMatrix({ quants: words, scales: pairs }, size);
    } catch (error) {
      words.dispose();
      throw error;
    }
  }

  /**
   * Quantizes a matrix that comes in pieces, row after row, each straight onto the device: at no time is it there as
   * float32, and a piece may end within a row.
   *
   * @throws ShapeError when there are too many numbers or too few
   * @throws RangeError naming the first number that is not finite
   */
  static async quantize(
    pieces: AsyncIterable<Float32Array>,
    shape: readonly [number, number],
    format: "int8" | "int4",
  ): Promise<IntMatrix> {
    const [rows, columns] = shape;
    const groups = Math.ceil(columns / 32);
    const size = { format, rows, columns };
    const words = tensorWriter<Tensor1D>([rows * rowWords(size)], "int32");
    const pairs = tensorWriter<Tensor1D>([Math.ceil((rows * groups) / 2)], "int32");
    const mostRows = Math.max(1, Math.floor(blockFloats / Math.max(1, columns)));
    const next = rowQuantizer({ mostRows, columns, format });
    let [quantBytes, scaleBytes] = [0, 0];
    try {
      for await (const block of rowsOf(pieces, shape, mostRows)) {
        const { quants, scales } = next(block);
        words.put(quants, quantBytes);
        pairs.put(new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength), scaleBytes);
        quantBytes += quants.byteLength;
        scaleBytes += scales.byteLength;
      }
      if (scaleBytes % 4 !== 0) pairs.put(new Uint8Array(2), scaleBytes);
    } catch (error) {
      words.discard();
      pairs.discard();
      throw error;
    }
    const quants = words.finish(arrangeQuants(size));
    return new IntMatrix({ quants, scales: pairs.finish(arrangeScales(size)) }, size);
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    checkDType("unpackRows: ids", ids, "int32");
    const [rows, columns] = this.shape;
    const [picked] = intRowsOp([this.#quants, this.#scales, ids], { format: this.format, rows, columns });
    return picked;
  }

  /**
   * See `PackedMatrix.multiply`. On the wasm backend the rows of x are themselves rounded to integers before they meet Wᵀ,
   * each group of 32 by a scale of its own: to 16 bits against int8, to 8 bits against int4. A number y is then off by at
   * most `Σ_g s_g / 2 · Σ_(k in g) |w_k|`, where s_g is the largest |x| of group g over 32767 or 127; and a row gives the
   * same bits alone as among any others. A row with an infinite or NaN number gives NaN. `transpose`, and the other
   * backends take x as it is.
   */
  multiply(x: Tensor, options: { transpose?: boolean } = {}): Tensor {
    const { transpose = false } = options;
    const [rows, columns] = this.shape;
    const from = transpose ? rows : columns;
    const what = `multiply: x for a matrix of ${rows} x ${columns}`;
    checkShape(what, x, [...x.shape.slice(0, -1), from], "Match its last side.");
    const attrs = { format: this.format, rows, columns, transpose };
    const [y] = intMatMulOp([x, this.#quants, this.#scales], attrs);
    return y;
  }

  /** The integers and scales that it holds, read back. */
  async toQuantizedRows(): Promise<QuantizedRows> {
    const { format } = this;
    const [rows, columns] = this.shape;
    const groups = Math.ceil(columns / 32);
    return {
      format,
      rows,
      columns,
      groups,
      quants: await this.readQuants(),
      scales: await this.readScales(),
    };
  }

  /** The integers alone: `quants` of `toQuantizedRows`. */
  async readQuants(): Promise<Uint8Array<ArrayBuffer>> {
    const { format, shape } = this;
    const { buffer, byteOffset, byteLength } = await readData(this.#quants, "int32");
    const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
    fromQuads(wordsOf(bytes), rowWords({ format, columns: shape[1] }));
    return bytes;
  }

  /** The scales alone: `scales` of `toQuantizedRows`. */
  async readScales(): Promise<Uint16Array<ArrayBuffer>> {
    const [rows, columns] = this.shape;
    const { buffer, byteOffset } = await readData(this.#scales, "int32");
    const groups = Math.ceil(columns / 32);
    const scales = new Uint16Array(buffer as ArrayBuffer, byteOffset, rows * groups);
    fromQuads(scales, groups);
    return scales;
  }

  dispose(): void {
    this.#quants.dispose();
    this.#scales.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const arrangeQuants =
  (size: Size): Arrange =>
  (bytes) =>
    toQuads(wordsOf(bytes), rowWords(size));

const arrangeScales =
  ({ rows, columns }: Size): Arrange =>
  ({ buffer, byteOffset }) => {
    const groups = Math.ceil(columns / 32);
    toQuads(new Uint16Array(buffer, byteOffset, rows * groups), groups);
  };

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

const blockFloats = 2 ** 16; // numbers that are quantized at a time: what is made of them stays small

/** The same numbers in blocks of whole rows, at most `mostRows` each. Blocks are valid until the next. */
async function* rowsOf(
  pieces: AsyncIterable<Float32Array>,
  [rows, columns]: readonly [number, number],
  mostRows: number,
): AsyncGenerator<Float32Array> {
  const begun = new Float32Array(columns); // a row that a piece ended in
  let held = 0; // of it
  let seen = 0;
  for await (const piece of pieces) {
    seen += piece.length;
    if (seen > rows * columns) break;
    let at = 0;
    if (held > 0) {
      at = Math.min(columns - held, piece.length);
      begun.set(piece.subarray(0, at), held);
      held += at;
      if (held < columns) continue;
      yield begun;
      held = 0;
    }
    const whole = piece.length - ((piece.length - at) % Math.max(1, columns));
    for (; at < whole; at += mostRows * columns)
      yield piece.subarray(at, Math.min(whole, at + mostRows * columns));
    begun.set(piece.subarray(whole));
    held = piece.length - whole;
  }
  if (seen === rows * columns) return;
  throw new ShapeError(
    `IntMatrix: got ${seen} numbers${seen > rows * columns ? " or more" : ""} for [${rows}, ${columns}], ` +
      `expected ${rows * columns}. Take them from one matrix.`,
  );
}
