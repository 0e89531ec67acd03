import {
  checkDType,
  checkShape,
  gather,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
} from "@corenet/tensor";
import { type DocumentStarts, firstsOfDocuments } from "./documents.ts";
import { ropeOp } from "./kernels/rope/op.ts";

export interface RopeTables {
  /** Cosine of each position's angles [T, d / 2], or [B, T, d / 2] where the rows of a batch differ. */
  readonly cos: Tensor2D | Tensor3D;
  /** Sine of each position's angles, likewise. */
  readonly sin: Tensor2D | Tensor3D;
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
  /** Where the documents of each row begin: positions count from each beginning. @default one a row */
  documents?: DocumentStarts;
}

/**
 * The angles of rotary embeddings, position p times `base^(−2j / d)`, as cosines and sines. Computed here in double
 * precision: a GPU's own sine is not exact at large angles.
 *
 * @returns two tensors that the caller owns
 * @throws RangeError when headDim is odd or a count is negative
 * @see Su et al. 2021, arXiv:2104.09864, eq. 15
 */
export function ropeTables(options: RopeTableOptions): RopeTables {
  const { documents, start = 0, length } = options;
  if (!documents) return tablesFrom(options);
  const B = documents.length;
  const firsts = firstsOfDocuments("ropeTables", documents, { rows: B, length });
  const positions = firsts.map((first, i) => (i % length) - first); // [B, T]
  const longest = 1 + positions.reduce((most, position) => Math.max(most, position), 0);
  return tidy(() => {
    const places = tensor(positions, [B, length]);
    const { cos, sin } = tablesFrom({ ...options, start, length: longest });
    return { cos: gather(cos, places) as Tensor3D, sin: gather(sin, places) as Tensor3D };
  });
}

function tablesFrom({ headDim, start = 0, length, base = 10000 }: RopeTableOptions): RopeTables {
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
  const [B, , T, d] = x.shape;
  checkDType("rope: x", x, "float32");
  const expected = tables.cos.rank === 3 ? [B, T, d / 2] : [T, d / 2];
  checkShape("rope: cos", tables.cos, expected, "Make the tables with ropeTables for the positions of x.");
  checkShape("rope: sin", tables.sin, expected, "Make the tables with ropeTables for the positions of x.");
  const [y] = ropeOp([x, tables.cos, tables.sin], { sign: options.inverse ? -1 : 1 });
  return y;
}
