import { ShapeError } from "@corenet/core";
import { checkDType, formatShape } from "../check.ts";
import { runKernel } from "../raw.ts";
import { record } from "../tape.ts";
import type { Tensor } from "../types.ts";
import { broadcastShapes, sumToShape } from "./broadcasting.ts";

export interface MatMulOptions {
  /** Take the last two axes of `a` in turned order. @default false */
  transposeA?: boolean;
  /** Take the last two axes of `b` in turned order. @default false */
  transposeB?: boolean;
}

/**
 * Matrix products over the last two axes: [..., M, K] · [..., K, N] to [..., M, N]. Leading axes broadcast
 * from either side. A `b` of rank 2 is shared by all, and costs one large product. A product over K = 0 is 0.
 *
 * @throws ShapeError when the inner sides differ or the leading axes do not broadcast
 */
export function matMul<T extends Tensor>(a: T, b: Tensor, options: MatMulOptions = {}): T {
  const { transposeA = false, transposeB = false } = options;
  checkDType("matMul: a", a, "float32");
  checkDType("matMul: b", b, "float32");
  if (a.rank < 2 || b.rank < 2) {
    throw new ShapeError(
      `matMul: got ${formatShape(a.shape)} and ${formatShape(b.shape)}, expected rank 2 or more. Reshape a vector to a row or a column.`,
    );
  }
  const [rows, innerA] = sides(a, transposeA);
  const [innerB, columns] = sides(b, transposeB);
  if (innerA !== innerB) {
    throw new ShapeError(
      `matMul: ${formatShape(a.shape)}${transposeA ? " transposed" : ""} and ${formatShape(b.shape)}${transposeB ? " transposed" : ""} ` +
        `do not fit: ${innerA} columns meet ${innerB} rows.`,
    );
  }
  const lead = broadcastShapes("matMul: the leading axes", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...lead, rows, columns];
  return record(
    "matMul",
    [a, b],
    () => product(a, b, transposeA, transposeB, lead, shape) as T,
    ({ needs, save }) => {
      const keptA = needs[1] ? save(a) : a;
      const keptB = needs[0] ? save(b) : b;
      const [shapeA, shapeB] = [a.shape, b.shape];
      return ([dy]) => [
        needs[0] && dy && gradientA(dy, keptB, shapeA, transposeA, transposeB),
        needs[1] && dy && gradientB(dy, keptA, shapeB, transposeA, transposeB),
      ];
    },
  );
}

function sides(t: Tensor, transposed: boolean): [number, number] {
  const [rows, columns] = t.shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

/** Without recording: [lead, M, K] · [lead, K, N]. */
function product(
  a: Tensor,
  b: Tensor,
  transposeA: boolean,
  transposeB: boolean,
  lead: readonly number[],
  shape: readonly number[],
): Tensor {
  const size = shape.reduce((total, side) => total * side, 1);
  const [, inner] = sides(a, transposeA);
  if (size === 0 || inner === 0)
    return runKernel("Fill", {}, { shape: [...shape], value: 0, dtype: "float32" });
  const shared = b.size === (b.shape.at(-1) as number) * (b.shape.at(-2) as number);
  if (shared && !transposeA) {
    // one matrix for all rows of a: [lead · M, K] · [K, N]
    const flatA = reshaped(a, [1, a.size / inner, inner]);
    const flatB = reshaped(b, [1, ...b.shape.slice(-2)]);
    return reshaped(multiply(flatA, flatB, false, transposeB), shape);
  }
  const batch = lead.reduce((total, side) => total * side, 1);
  const spread = (t: Tensor) =>
    reshaped(repeat(t, [...lead, ...t.shape.slice(-2)]), [batch, ...t.shape.slice(-2)]);
  return reshaped(multiply(spread(a), spread(b), transposeA, transposeB), shape);
}

/** dA = dY · Bᵀ, or turned where A was. */
function gradientA(
  dy: Tensor,
  b: Tensor,
  shapeA: readonly number[],
  transposeA: boolean,
  transposeB: boolean,
): Tensor {
  const full = transposeA ? plain(b, dy, transposeB, true) : plain(dy, b, false, !transposeB);
  return sumToShape(full, shapeA);
}

/** dB = Aᵀ · dY, or turned where B was; one product over all rows when B was shared by a batch. */
function gradientB(
  dy: Tensor,
  a: Tensor,
  shapeB: readonly number[],
  transposeA: boolean,
  transposeB: boolean,
): Tensor {
  const sharedB = shapeB.slice(0, -2).every((side) => side === 1);
  if (sharedB && !transposeA && a.rank > 2) {
    const flatA = reshaped(a, [-1, a.shape.at(-1) as number]);
    const flatY = reshaped(dy, [-1, dy.shape.at(-1) as number]);
    const flat = transposeB ? plain(flatY, flatA, true, false) : plain(flatA, flatY, true, false);
    return reshaped(flat, shapeB);
  }
  const full = transposeB ? plain(dy, a, true, transposeA) : plain(a, dy, !transposeA, false);
  return sumToShape(full, shapeB);
}

function plain(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  const lead = broadcastShapes("matMul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...lead, sides(a, transposeA)[0], sides(b, transposeB)[1]];
  return product(a, b, transposeA, transposeB, lead, shape);
}

const multiply = (a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor =>
  runKernel("BatchMatMul", { a, b }, { transposeA, transposeB });

const reshaped = (x: Tensor, shape: readonly number[]): Tensor => {
  const known = shape.reduce((total, side) => (side === -1 ? total : total * side), 1);
  return runKernel(
    "Reshape",
    { x },
    { shape: shape.map((side) => (side === -1 ? x.size / (known || 1) : side)) },
  );
};

/** A whole batch out of one that broadcasts. */
function repeat(t: Tensor, shape: readonly number[]): Tensor {
  const padded = [...Array(shape.length - t.rank).fill(1), ...t.shape] as number[];
  const reps = shape.map((side, i) => (padded[i] === side ? 1 : side));
  const full = reshaped(t, padded);
  return reps.every((rep) => rep === 1) ? full : runKernel("Tile", { x: full }, { reps });
}
