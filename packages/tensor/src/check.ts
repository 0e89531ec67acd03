import { ShapeError } from "@corenet/core";
import { isTensor } from "./raw.ts";
import type { DType, Tensor } from "./types.ts";

export function formatShape(shape: readonly (number | null)[]): string {
  return `[${shape.map((side) => side ?? "any").join(", ")}]`;
}

/**
 * Throws unless `tensor` has the expected shape; `null` in `expected` accepts any size there.
 *
 * @param who - function and argument, as in `"rmsNorm: weight"`
 * @param hint - a sentence that says what to do
 * @throws ShapeError with both shapes
 */
export function checkShape(
  who: string,
  tensor: Tensor,
  expected: readonly (number | null)[],
  hint = "",
): void {
  checkAlive(who, tensor);
  const { shape } = tensor;
  const fits = shape.length === expected.length && shape.every((side, i) => (expected[i] ?? side) === side);
  if (fits) return;
  const saw = `${who} has shape ${formatShape(shape)}, expected ${formatShape(expected)}.`;
  throw new ShapeError(hint ? `${saw} ${hint}` : saw);
}

/** Throws unless `tensor` has one of the given dtypes. */
export function checkDType(who: string, tensor: Tensor, ...allowed: DType[]): void {
  checkAlive(who, tensor);
  if (allowed.some((dtype) => dtype === tensor.dtype)) return;
  throw new TypeError(`${who} is ${tensor.dtype}, expected ${allowed.join(" or ")}. Convert it with cast.`);
}

/** Throws unless `tensor` is a tensor that still owns its memory. */
export function checkAlive(who: string, tensor: Tensor): void {
  if (!isTensor(tensor)) {
    throw new TypeError(`${who} is ${describe(tensor)}, expected a tensor. Make one with tensor(values).`);
  }
  if (tensor.isDisposed) {
    throw new TypeError(
      `${who} of shape ${formatShape(tensor.shape)} was disposed before, expected a living tensor. ` +
        "Use it before its tidy or its owner frees it, or pass a clone.",
    );
  }
}

/**
 * An axis counted from the front.
 *
 * @throws RangeError when `axis` lies outside [-rank, rank)
 */
export function resolveAxis(who: string, axis: number, rank: number): number {
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  throw new RangeError(`${who}: axis is ${axis}, expected an integer in [${-rank}, ${rank}).`);
}

/** Throws when a tensor would have more dimensions than every backend can address. */
export function checkRank(who: string, rank: number): void {
  if (rank > 6)
    throw new ShapeError(`${who}: the rank is ${rank}, expected at most 6. Merge dimensions with reshape.`);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? `a ${value.constructor?.name ?? "object"}` : `a ${typeof value}`;
}
