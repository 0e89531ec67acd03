import { ShapeError } from "@corenet/core";
import type { QuantizedRows } from "@corenet/core/quantize";
import { checkDType, checkShape } from "./check.ts";
import { intMatMulOp, intRowsOp, type Quants, type Scales } from "./kernels/int-matrix/op.ts";
import { readData } from "./memory.ts";
import type { PackedMatrix } from "./packed-matrix.ts";
import { tensorFromPieces } from "./tensor-from-pieces.ts";
import type { Tensor, Tensor1D, Tensor2D } from "./types.ts";

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
    { format, rows, columns }: QuantizedRows,
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
    const packedScales = new Uint16Array(2 * Math.ceil(count / 2));
    packedScales.set(scales);
    const words = await tensorFromPieces<Tensor1D>([bytes / 4], "int32", [quants]);
    const pairs = await tensorFromPieces<Tensor1D>([packedScales.length / 2], "int32", [
      new Uint8Array(packedScales.buffer),
    ]);
    return new IntMatrix({ quants: words, scales: pairs }, quantized);
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    checkDType("unpackRows: ids", ids, "int32");
    const [rows, columns] = this.shape;
    const [picked] = intRowsOp([this.#quants, this.#scales, ids], { format: this.format, rows, columns });
    return picked;
  }

  /**
   * See `PackedMatrix.multiply`. On the wasm backend up to eight rows of x are themselves rounded to integers before they
   * meet Wᵀ, each group of 32 by a scale of its own: to 16 bits against int8, to 8 bits against int4. A number y is then
   * off by at most `Σ_g s_g / 2 · Σ_(k in g) |w_k|`, where s_g is the largest |x| of group g over 32767 or 127; and a row
   * gives the same bits alone as among eight. More rows, `transpose`, and the other backends take x as it is.
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
    const words = await readData(this.#quants, "int32");
    const pairs = await readData(this.#scales, "int32");
    const quants = new Uint8Array(words.buffer, words.byteOffset, words.byteLength).slice();
    const scales = new Uint16Array(pairs.buffer, pairs.byteOffset, 2 * pairs.length).slice(0, rows * groups);
    return { format, rows, columns, groups, quants, scales };
  }

  dispose(): void {
    this.#quants.dispose();
    this.#scales.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
