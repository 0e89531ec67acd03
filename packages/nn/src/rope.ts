import { checkDType, checkShape, type Tensor2D, type Tensor4D, tensor } from "@corenet/tensor";
import { ropeOp } from "./kernels/rope/op.ts";

export interface RopeTables {
  /** Cosine of each position's angles [T, d / 2]. */
  readonly cos: Tensor2D;
  /** Sine of each position's angles [T, d / 2]. */
  readonly sin: Tensor2D;
}

export interface RopeTableOptions {
  /** Even. */
  headDim: number;
  /** The first position. @default 0 */
  start?: number;
  /** How many positions. */
  length: number;
  /** θ of the slowest turning. @default 10000 */
  base?: number;
}

/**
 * The angles of rotary embeddings, position p times `base^(−2j / d)`, as cosines and sines. Computed here in double
 * precision: a GPU's own sine is not exact at large angles.
 *
 * @returns two tensors that the caller owns
 * @throws RangeError when headDim is odd or a count is negative
 * @see Su et al. 2021, arXiv:2104.09864, eq. 15
 */
export function ropeTables({ headDim, start = 0, length, base = 10000 }: RopeTableOptions): RopeTables {
  if (!(headDim > 0 && headDim % 2 === 0)) {
    throw new RangeError(`ropeTables: headDim is ${headDim}, expected a positive even number.`);
  }
  if (!(Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 0)) {
    throw new RangeError(
      `ropeTables: got ${length} positions from ${start}, expected non-negative integers.`,
    );
  }
  const half = headDim / 2;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let j = 0; j < half; j++) {
    const frequency = base ** ((-2 * j) / headDim);
    for (let t = 0; t < length; t++) {
      const angle = (start + t) * frequency;
      cos[t * half + j] = Math.cos(angle);
      sin[t * half + j] = Math.sin(angle);
    }
  }
  return { cos: tensor(cos, [length, half]), sin: tensor(sin, [length, half]) };
}

/**
 * Rotary position embedding, half-rotation convention: dimension j turns with j + d/2.
 *
 * @param x - queries or keys [B, H, T, d]
 * @param tables - of the T positions of x
 * @returns rotated [B, H, T, d]; norms stay
 * @throws ShapeError when the tables do not fit
 * @see Su et al. 2021, arXiv:2104.09864, eq. 34
 */
export function rope(x: Tensor4D, tables: RopeTables, options: { inverse?: boolean } = {}): Tensor4D {
  const [, , T, d] = x.shape;
  checkDType("rope: x", x, "float32");
  checkShape("rope: cos", tables.cos, [T, d / 2], "Make the tables with ropeTables for the positions of x.");
  checkShape("rope: sin", tables.sin, [T, d / 2], "Make the tables with ropeTables for the positions of x.");
  const [y] = ropeOp([x, tables.cos, tables.sin], { sign: options.inverse ? -1 : 1 });
  return y;
}
