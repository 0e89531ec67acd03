import {
  checkDType,
  checkShape,
  keep,
  loadKernels,
  matMul,
  type PackedMatrix,
  range,
  readData,
  reshape,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensorFromPieces,
  tidy,
} from "@corenet/tensor";
import type { LfsrTensor } from "../codec/lfsr-tensor.ts";
import { lfsrTaps } from "../lfsr/taps.ts";
import { type LfsrAttrs, lfsrMatMulOp, lfsrRowsOp, type Payload } from "./kernels/op.ts";
import { packPayload, payloadGrid, unpackPayload } from "./payload.ts";

/**
 * How a packed matrix multiplies. `fused`: a vector without decoding any weight, many of them as `lazy`. `lazy`:
 * weights are decoded a tile at a time, for each call. `eager`: weights are decoded once and kept, as float32.
 */
export type LfsrMode = "fused" | "lazy" | "eager";

export interface LfsrMatrixOptions {
  /** @default "fused" */
  mode?: LfsrMode | undefined;
}

/** A weight matrix [out, in] as seeds and coefficients: an eighth of float32 or less, on the device too. */
export class LfsrMatrix implements PackedMatrix, Disposable {
  readonly format = "lfsr";
  readonly shape: readonly [number, number];
  readonly byteLength: number;
  readonly mode: LfsrMode;
  readonly #payload: Payload;
  readonly #attrs: LfsrAttrs & { readonly fused: boolean };
  readonly #dense: Tensor2D | undefined;

  private constructor(
    payload: Payload,
    mode: LfsrMode,
    attrs: LfsrAttrs & { fused: boolean },
    dense?: Tensor2D,
  ) {
    this.#payload = payload;
    this.#attrs = attrs;
    this.#dense = dense;
    this.mode = mode;
    this.shape = [attrs.rows, attrs.columns];
    this.byteLength = 4 * (payload.size + (dense?.size ?? 0));
  }

  /**
   * Puts a matrix on the device.
   *
   * @param codes - of two axes; borrowed
   * @throws RangeError when it has more axes or fewer
   */
  static async create(codes: LfsrTensor, options: LfsrMatrixOptions = {}): Promise<LfsrMatrix> {
    const { mode = "fused" } = options;
    if (mode !== "fused" && mode !== "lazy" && mode !== "eager") {
      throw new RangeError(`LfsrMatrix: mode is ${String(mode)}, expected fused, lazy or eager.`);
    }
    await loadKernels();
    const { isFlat, lanes, groups } = payloadGrid(codes);
    const [rows, columns] = codes.shape as [number, number];
    const fused = mode === "fused" && !isFlat && hasMatVec(codes);
    const attrs = { rows, columns, config: codes.config, isFlat, lanes, groups, fused };
    const words = packPayload(codes);
    const bytes = new Uint8Array(words.buffer);
    const payload = await tensorFromPieces<Payload>([words.length], "int32", [bytes]);
    words.buffer.transfer(0); // copied; gives its memory back at once
    if (mode !== "eager") return new LfsrMatrix(payload, mode, attrs);
    return tidy(() => {
      const [dense] = lfsrRowsOp([payload, range(0, rows)], attrs);
      return new LfsrMatrix(payload, mode, attrs, keep(dense));
    });
  }

  unpackRows(ids: Tensor1D): Tensor2D {
    checkDType("unpackRows: ids", ids, "int32");
    const [picked] = lfsrRowsOp([this.#payload, ids], this.#attrs);
    return picked;
  }

  multiply(x: Tensor, options: { transpose?: boolean } = {}): Tensor {
    const { transpose = false } = options;
    const [rows, columns] = this.shape;
    const [from, to] = transpose ? [rows, columns] : [columns, rows];
    const lead = x.shape.slice(0, -1);
    checkShape(
      `multiply: x for a matrix of ${rows} x ${columns}`,
      x,
      [...lead, from],
      "Match its last side.",
    );
    if (this.#dense) return matMul(x, this.#dense, { transposeB: !transpose });
    return tidy(() => {
      const flat = reshape(x, [lead.reduce((n, side) => n * side, 1), from]);
      const [y] = lfsrMatMulOp([flat, this.#payload], { ...this.#attrs, transpose });
      return reshape(y, [...lead, to]);
    });
  }

  /** The codes that the matrix was made from, read back. */
  async toLfsrTensor(): Promise<LfsrTensor> {
    return unpackPayload(await readData(this.#payload, "int32"));
  }

  dispose(): void {
    this.#payload.dispose();
    this.#dense?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Whether the kernels multiply a vector without decoding: the three configurations with a name, the paper's taps. */
function hasMatVec({ config: { C, P, K, taps, decimation } }: LfsrTensor): boolean {
  const isPaper = K === 16 && taps === lfsrTaps(K) && decimation === 1;
  return isPaper && ((C === 8 && (P === 3 || P === 4)) || (C === 12 && P === 4));
}
