import {
  add,
  checkShape,
  concat,
  customGradient,
  div,
  greater,
  greaterEqual,
  logicalOr,
  max,
  maximum,
  min,
  minimum,
  mul,
  neg,
  ones,
  pad,
  range,
  readData,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
  where,
} from "@corenet/tensor";
import { readBlockCode, writeNibbles } from "../codec/block-code.ts";
import { blockGrid, emptyPayload, type LfsrTensor } from "../codec/lfsr-tensor.ts";
import { powerOfTwo } from "../codec/power-of-two.ts";
import { LfsrMatrix } from "./lfsr-matrix.ts";

/** What float32 adds and takes away to round to an integer, ties to even; for magnitudes below 2^22. */
const ROUNDER = 1.5 * 2 ** 23;
/** A coefficient is -8..7, and ties round to even: what these numbers of steps or more are too large for an exponent. */
const TOO_POSITIVE = 7.5;
const TOO_NEGATIVE = 8.5;

/**
 * The coefficients and exponents of a packed matrix as parameters; its seeds, and so the bases, stay. A parameter is
 * `t = q 2^e`, float32. The weights are those of the codes that it rounds to, and gradients pass the rounding as if it
 * were not there (straight through): `dt_p = sum_c dW_c U_cp`.
 *
 * Takes as much memory as the codes, P times, beside the float32 weights.
 *
 * @example
 * using coefficients = await LfsrCoefficients.create(codes);
 * const { grads } = valueAndGrad(({ t }) => loss(linear(x, coefficients.weights(t))), { t: coefficients.initial() });
 */
export class LfsrCoefficients implements Disposable {
  readonly #codes: LfsrTensor;
  /** Column p of every basis: coefficient p is 1, the others 0 [rows, blocks per row · C]. */
  readonly #columns: readonly LfsrMatrix[];

  private constructor(codes: LfsrTensor, columns: readonly LfsrMatrix[]) {
    this.#codes = codes;
    this.#columns = columns;
  }

  /**
   * @param codes - of a matrix; kept, not changed
   * @throws RangeError when it has another number of axes than two, or K > 16, whose integers float32 does not hold
   */
  static async create(codes: LfsrTensor): Promise<LfsrCoefficients> {
    const { P, K } = codes.config;
    if (codes.shape.length !== 2 || K > 16) {
      throw new RangeError(
        `LfsrCoefficients: the tensor is [${codes.shape}] with K = ${K}, expected two axes and K of at most 16.`,
      );
    }
    const columns: LfsrMatrix[] = [];
    try {
      for (let p = 0; p < P; p++)
        columns.push(await LfsrMatrix.create(columnCodes(codes, p), { mode: "lazy" }));
    } catch (error) {
      for (const column of columns) column.dispose();
      throw error;
    }
    return new LfsrCoefficients(codes, columns);
  }

  /** [rows, blocks per row, P]; in a flat layout one row holds all blocks. */
  get shape(): readonly [number, number, number] {
    const { lines, blocks } = gridOf(this.#codes);
    return [lines, blocks, this.#codes.config.P];
  }

  /** The coefficients of the codes as they are: a new tensor, the caller's own. */
  initial(): Tensor3D {
    const { P } = this.#codes.config;
    const values = new Float32Array(this.#codes.seeds.length * P);
    for (let block = 0; block < this.#codes.seeds.length; block++) {
      const { q, exponent } = readBlockCode(this.#codes, block);
      for (let p = 0; p < P; p++) values[block * P + p] = (q[p] as number) * powerOfTwo(exponent);
    }
    return tensor(values, this.shape);
  }

  /**
   * The weights of the codes that the coefficients round to, bit for bit what the decoder makes of them.
   *
   * @param t - as `initial` gives [rows, blocks per row, P]
   * @returns [out, in]
   * @throws ShapeError when t has another shape
   */
  weights(t: Tensor3D): Tensor2D {
    checkShape("LfsrCoefficients: t", t, this.shape, "Train what `initial` gives.");
    const { config, shape, expBias } = this.#codes;
    const half = 2 ** (config.K - 1) - 1;
    const unit = Math.fround(1 / half);
    const { lines, blocks, used } = gridOf(this.#codes);
    const width = blocks * config.C;
    // S [lines, blocks, C]: the integers that a basis column is, before its division by H.
    const integers = (column: LfsrMatrix) =>
      reshape(rounded(mul(column.unpackRows(range(0, lines)), half)), [lines, blocks, config.C]);

    return customGradient(
      "lfsrWeights",
      [t],
      () => {
        const scale = scaleOf(t, expBias); // [lines, blocks, 1]
        const q = minimum(maximum(rounded(div(t, scale)), -8), 7); // [lines, blocks, P]
        const terms = this.#columns.map((column, p) =>
          mul(integers(column), slice(q, [0, 0, p], [lines, blocks, 1])),
        );
        const isum = terms.reduce((total, term) => add(total, term)); // [lines, blocks, C], exact
        const padded = reshape(mul(isum, mul(scale, unit)), [lines, width]); // one rounding
        return reshape(slice(padded, [0, 0], [lines, used]), shape) as Tensor2D;
      },
      () => (dy) => {
        const flat = reshape(dy, [lines, used]);
        const dW = reshape(
          pad(flat, [
            [0, 0],
            [0, width - used],
          ]),
          [lines, blocks, config.C],
        );
        const slopes = this.#columns.map(
          (column) => sum(mul(dW, integers(column)), { axis: -1, keepDims: true }), // [lines, blocks, 1]
        );
        return [mul(concat(slopes, { axis: -1 }), unit)];
      },
    );
  }

  /** The codes that coefficients round to, with the seeds as they were. Their decoded weights are those of `weights`. */
  async pack(t: Tensor3D): Promise<LfsrTensor> {
    checkShape("LfsrCoefficients: t", t, this.shape, "Train what `initial` gives.");
    const { config, seeds, expBias } = this.#codes;
    const values = await readData(t);
    const packed: LfsrTensor = { ...this.#codes, ...emptyPayload(seeds.length, config) };
    packed.seeds.set(seeds);
    for (let block = 0; block < seeds.length; block++) {
      const own = values.subarray(block * config.P, (block + 1) * config.P);
      const { code, q } = roundBlock(own, expBias);
      writeNibbles(packed, block, code, q);
    }
    return packed;
  }

  dispose(): void {
    for (const column of this.#columns) column.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Rows of blocks, blocks in each, and the weights of a row that are not padding. A flat layout is one row. */
function gridOf({ config, shape, layout }: LfsrTensor): { lines: number; blocks: number; used: number } {
  const { rows, cols, size, blocksPerRow } = blockGrid("LfsrCoefficients", shape, config.C, layout);
  return layout === "rows"
    ? { lines: rows, blocks: blocksPerRow, used: cols }
    : { lines: 1, blocks: blocksPerRow, used: size };
}

/** Codes with the same seeds whose matrix is column p of every basis. */
function columnCodes(codes: LfsrTensor, p: number): LfsrTensor {
  const { config, seeds } = codes;
  const { lines, blocks } = gridOf(codes);
  const column: LfsrTensor = {
    ...codes,
    ...{ shape: [lines, blocks * config.C], layout: "rows", expBias: 0 },
    ...emptyPayload(seeds.length, config),
  };
  column.seeds.set(seeds);
  const q = new Int8Array(config.P);
  q[p] = 1;
  for (let block = 0; block < seeds.length; block++) writeNibbles(column, block, 0, q);
  return column;
}

/** Nearest integers, ties to even, of magnitudes below 2^22. */
function rounded(x: Tensor): Tensor {
  return sub(add(x, ROUNDER), ROUNDER);
}

/**
 * The smallest power of two in the window, of which all coefficients of a block are -8 to 7 steps, else the largest:
 * so codes come back as the same weights.
 *
 * @param t - [lines, blocks, P]
 * @returns [lines, blocks, 1]
 */
function scaleOf(t: Tensor3D, expBias: number): Tensor {
  const top = max(t, { axis: -1, keepDims: true });
  const bottom = neg(min(t, { axis: -1, keepDims: true }));
  const one = ones(top.shape);
  let scale = mul(one, powerOfTwo(expBias));
  for (let code = 0; code < 15; code++) {
    const step = powerOfTwo(expBias + code);
    const isTooLarge = logicalOr(
      greaterEqual(top, TOO_POSITIVE * step),
      greater(bottom, TOO_NEGATIVE * step),
    );
    scale = mul(scale, where(isTooLarge, mul(one, 2), one));
  }
  return scale;
}

/** The same for one block. */
function roundBlock(t: Float32Array, expBias: number): { code: number; q: Int8Array } {
  const [top, bottom] = [Math.max(...t), -Math.min(...t)];
  let code = 0;
  for (; code < 15; code++) {
    const step = powerOfTwo(expBias + code);
    if (!(top >= TOO_POSITIVE * step || bottom > TOO_NEGATIVE * step)) break;
  }
  const step = powerOfTwo(expBias + code);
  const q = Int8Array.from(t, (value) => {
    const steps = Math.max(-9, Math.min(8, value / step)); // where the sum below rounds as float32 does
    return Math.max(-8, Math.min(7, Math.fround(Math.fround(steps) + ROUNDER) - ROUNDER));
  });
  return { code, q };
}
