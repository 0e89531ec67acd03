import { ShapeError } from "@corenet/core";
import { formatShape } from "../check.ts";
import { makeTensor, runKernel } from "../raw.ts";
import type { DataOf, DType, Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "../types.ts";

export type Nested = number | readonly Nested[];
type TypedValues = Float32Array | Int32Array | Uint8Array;

/**
 * A tensor of numbers, nested or flat; the values are copied.
 *
 * @param values - nested arrays, whose shape is read off; or a flat array or typed array, given with `shape`
 * @param shape - needed for flat values of rank other than 1
 * @param dtype - `float32` by default, or what the typed array holds (Uint8Array: bool)
 * @throws ShapeError when the nesting is ragged or the number of values does not fit the shape
 */
export function tensor(values: number, shape?: undefined, dtype?: DType): Scalar;
export function tensor(values: readonly number[] | TypedValues, shape?: undefined, dtype?: DType): Tensor1D;
export function tensor(values: readonly (readonly number[])[], shape?: undefined, dtype?: DType): Tensor2D;
export function tensor(values: readonly number[] | TypedValues, shape: readonly [], dtype?: DType): Scalar;
export function tensor(
  values: readonly number[] | TypedValues,
  shape: readonly [number],
  dtype?: DType,
): Tensor1D;
export function tensor(
  values: readonly number[] | TypedValues,
  shape: readonly [number, number],
  dtype?: DType,
): Tensor2D;
export function tensor(
  values: readonly number[] | TypedValues,
  shape: readonly [number, number, number],
  dtype?: DType,
): Tensor3D;
export function tensor(
  values: readonly number[] | TypedValues,
  shape: readonly [number, number, number, number],
  dtype?: DType,
): Tensor4D;
export function tensor(values: Nested | TypedValues, shape?: readonly number[], dtype?: DType): Tensor;
export function tensor(values: Nested | TypedValues, shape?: readonly number[], dtype?: DType): Tensor {
  const nested = isTyped(values) ? [values.length] : shapeOf(values);
  const wanted = shape ?? nested;
  const flat = isTyped(values) ? values : flatten(values);
  const size = wanted.reduce((product, side) => product * side, 1);
  if (!wanted.every((side) => Number.isInteger(side) && side >= 0) || size !== flat.length) {
    throw new ShapeError(
      `tensor: got ${flat.length} values for the shape ${formatShape(wanted)}, expected ${size}. Pass as many values as the shape holds.`,
    );
  }
  return makeTensor(toTyped(flat, dtype ?? defaultDType(values)), wanted, dtype ?? defaultDType(values));
}

/** A 0-D tensor. */
export function scalar(value: number, dtype: DType = "float32"): Scalar {
  return tensor(value, undefined, dtype);
}

/** A 1-D tensor. */
export function tensor1d(values: readonly number[] | TypedValues, dtype?: DType): Tensor1D {
  return tensor(values, [values.length], dtype);
}

/** A tensor of one value, made on the device. */
export function fill<T extends Tensor = Tensor>(
  shape: T["shape"],
  value: number,
  dtype: DType = "float32",
): T {
  checkShapeList("fill", shape);
  const size = shape.reduce((product, side) => product * side, 1);
  if (size === 0) return makeTensor(toTyped([], dtype), shape, dtype) as T;
  if (dtype === "int32") {
    const [exact] = toTyped([value], dtype) as Int32Array; // webgpu fills in f32
    return makeTensor(new Int32Array(size).fill(exact as number), shape, dtype) as T;
  }
  return runKernel(
    "Fill",
    {},
    { shape: [...shape], value: dtype === "bool" ? Number(value !== 0) : value, dtype },
  ) as T;
}

export function zeros<T extends Tensor = Tensor>(shape: T["shape"], dtype: DType = "float32"): T {
  return fill<T>(shape, 0, dtype);
}

export function ones<T extends Tensor = Tensor>(shape: T["shape"], dtype: DType = "float32"): T {
  return fill<T>(shape, 1, dtype);
}

/** Zeros of the shape and dtype of x. */
export function zerosLike<T extends Tensor>(x: T): T {
  return fill<T>(x.shape, 0, x.dtype as DType);
}

/** The integers from `start` up to, not with, `stop`. */
export function range(start: number, stop: number, dtype: "int32" | "float32" = "int32"): Tensor1D {
  if (!Number.isInteger(start) || !Number.isInteger(stop) || stop < start) {
    throw new RangeError(`range: got ${start} to ${stop}, expected integers with start <= stop.`);
  }
  const values = Array.from({ length: stop - start }, (_, i) => start + i);
  return makeTensor(toTyped(values, dtype), [values.length], dtype) as Tensor1D;
}

function isTyped(values: Nested | TypedValues): values is TypedValues {
  return ArrayBuffer.isView(values);
}

function flatten(values: Nested): number[] {
  if (typeof values === "number") return [values];
  const flat: number[] = [];
  for (const row of values) {
    if (typeof row === "number") flat.push(row);
    else flat.push(...flatten(row));
  }
  return flat;
}

function defaultDType(values: Nested | TypedValues): DType {
  if (values instanceof Int32Array) return "int32";
  return values instanceof Uint8Array ? "bool" : "float32";
}

function toTyped(values: ArrayLike<number>, dtype: DType): DataOf[DType] {
  if (dtype === "float32") return Float32Array.from(values);
  if (dtype === "bool") return Uint8Array.from(values, (value) => Number(value !== 0));
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value !== (value | 0)) throw new RangeError(`tensor: value ${i} is ${value}, expected an int32.`);
  }
  return Int32Array.from(values);
}

function shapeOf(values: Nested): number[] {
  if (typeof values === "number") return [];
  if (!Array.isArray(values)) {
    throw new TypeError(
      `tensor: found ${values === null ? "null" : `a ${typeof values}`}, expected numbers in arrays.`,
    );
  }
  const [first] = values as readonly Nested[];
  const inner = first === undefined ? [] : shapeOf(first);
  for (const row of values as readonly Nested[]) {
    const other = shapeOf(row);
    if (other.length !== inner.length || other.some((side, i) => side !== inner[i])) {
      throw new ShapeError(
        `tensor: rows of shape ${formatShape(inner)} and ${formatShape(other)} stand side by side. Make all rows equally long.`,
      );
    }
  }
  return [values.length, ...inner];
}

function checkShapeList(who: string, shape: readonly number[]): void {
  if (shape.every((side) => Number.isInteger(side) && side >= 0)) return;
  throw new ShapeError(`${who}: the shape is ${formatShape(shape)}, expected non-negative integers.`);
}
