import { checkDType, checkShape, clone, matMul, type Tensor2D, tensor, tidy } from "@corenet/tensor";
import type { PatchGrid } from "./patch-embedding.ts";

/**
 * How learned positions become those of another grid. "bilinear" and "bicubic" (of parameter −0.75) work on the grid,
 * from the centers of the patches, without smoothing; "flattened" is linear along the list of all patches, whatever
 * their rows, as CoreNet's models were trained.
 */
export type PositionInterpolation = "bilinear" | "bicubic" | "flattened";

export interface PositionEmbeddingOptions {
  /** The grid that the table was learned for. */
  from: PatchGrid;
  /** The grid that is wanted. */
  to: PatchGrid;
  /** @default "bilinear" */
  interpolation?: PositionInterpolation;
}

/**
 * Learned positions for a grid of any size: each is a weighted sum of the table's rows, and the same grid gives the
 * table itself.
 *
 * @param table - [from.rows · from.columns, D], row after row of the grid
 * @returns [to.rows · to.columns, D]
 * @throws ShapeError when the table does not fit `from`; RangeError when a grid is empty or the interpolation unknown
 * @see Dosovitskiy et al. 2021, arXiv:2010.11929, sec. 3.2
 */
export function positionEmbedding(table: Tensor2D, options: PositionEmbeddingOptions): Tensor2D {
  const { from, to, interpolation = "bilinear" } = options;
  checkGrid("from", from);
  checkGrid("to", to);
  const [N, M] = [from.rows * from.columns, to.rows * to.columns];
  checkDType("positionEmbedding: table", table, "float32");
  checkShape(
    "positionEmbedding: table",
    table,
    [N, table.shape[1]],
    "It needs a row for each patch of `from`.",
  );
  const weights = gridWeights(from, to, interpolation); // before the shortcut, so that a wrong name never passes
  const same = interpolation === "flattened" ? N === M : from.rows === to.rows && from.columns === to.columns;
  if (same) return clone(table);
  return tidy(() => matMul(tensor(weights, [M, N]) as Tensor2D, table)); // [M, D]
}

/** The share [M, N] of each old position in each new one; every row adds up to 1. */
function gridWeights(from: PatchGrid, to: PatchGrid, interpolation: PositionInterpolation): Float32Array {
  if (interpolation === "flattened") {
    return axisWeights(from.rows * from.columns, to.rows * to.columns, linearTaps);
  }
  const taps = { bilinear: linearTaps, bicubic: cubicTaps }[interpolation];
  if (!taps) {
    throw new RangeError(
      `positionEmbedding: interpolation is "${interpolation}", expected "bilinear", "bicubic" or "flattened".`,
    );
  }
  const byRow = axisWeights(from.rows, to.rows, taps);
  const byColumn = axisWeights(from.columns, to.columns, taps);
  const N = from.rows * from.columns;
  const weights = new Float32Array(to.rows * to.columns * N);
  for (let place = 0; place < weights.length; place++) {
    const [i, n] = [Math.floor(place / N), place % N];
    const row = Math.floor(i / to.columns) * from.rows + Math.floor(n / from.columns);
    const column = (i % to.columns) * from.columns + (n % from.columns);
    weights[place] = (byRow[row] as number) * (byColumn[column] as number);
  }
  return weights;
}

type Taps = (fraction: number) => readonly number[];

/** [to, from] along one axis: half-pixel centers; beyond the edge its outermost position goes on. */
function axisWeights(from: number, to: number, taps: Taps): Float32Array {
  const weights = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const center = ((i + 0.5) * from) / to - 0.5;
    const floor = Math.floor(center);
    const shares = taps(center - floor);
    const first = floor + 1 - shares.length / 2;
    for (const [k, share] of shares.entries()) {
      const place = i * from + Math.min(from - 1, Math.max(0, first + k));
      weights[place] = (weights[place] as number) + share;
    }
  }
  return weights;
}

const linearTaps: Taps = (f) => [1 - f, f];

/** Keys 1981, with a = −0.75, as image libraries and PyTorch have it. */
const cubicTaps: Taps = (f) => {
  const a = -0.75;
  const near = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1; // |x| <= 1
  const far = (x: number) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; // 1 < |x| < 2
  return [far(1 + f), near(f), near(1 - f), far(2 - f)];
};

function checkGrid(name: string, { rows, columns }: PatchGrid): void {
  if ([rows, columns].every((side) => Number.isInteger(side) && side > 0)) return;
  throw new RangeError(
    `positionEmbedding: \`${name}\` is ${rows} x ${columns} patches, expected positive integers.`,
  );
}
