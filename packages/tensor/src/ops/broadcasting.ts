import { ShapeError } from "@corenet/core";
import { checkRank, formatShape } from "../check.ts";
import { runKernel } from "../raw.ts";
import type { Tensor } from "../types.ts";

/**
 * The shape that two shapes broadcast to, aligned at the last axis.
 *
 * @throws ShapeError when a pair of sides differs and neither is 1
 */
export function broadcastShapes(who: string, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  checkRank(who, rank);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[a.length - rank + i] ?? 1;
    const right = b[b.length - rank + i] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new ShapeError(
      `${who}: the shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast: ${left} meets ${right}. ` +
        "Sides must be equal or 1, counted from the last.",
    );
  });
}

/** Adds up a gradient over the axes along which its input was broadcast. Plain kernels: not recorded. */
export function sumToShape(gradient: Tensor, shape: readonly number[]): Tensor {
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape
    .map((_, i) => i)
    .filter((i) => i < lead || (shape[i - lead] === 1 && gradient.shape[i] !== 1));
  if (axes.length === 0 && lead === 0) return gradient;
  const summed = axes.length ? sumAxes(gradient, axes) : gradient;
  return runKernel("Reshape", { x: summed }, { shape: [...shape] });
}

/**
 * Sums the given axes by the Sum kernel, which wants them last. Sums over nothing are zeros.
 */
export function sumAxes(x: Tensor, axes: readonly number[]): Tensor {
  const rest = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const shape = rest.map((i) => x.shape[i] as number);
  if (x.size === 0) return runKernel("Fill", {}, { shape, value: 0, dtype: x.dtype });
  return runKernel("Sum", { x }, { axis: [...axes], keepDims: false });
}
