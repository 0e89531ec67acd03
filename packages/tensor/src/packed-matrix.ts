import type { Tensor, Tensor1D, Tensor2D } from "./types.ts";

/**
 * A weight matrix [out, in] in a storage format of its own. Models do not know which: `linear` multiplies by it,
 * embeddings unpack rows of it. Open to every layer: a new format is a new class.
 */
export interface PackedMatrix {
  /** `f32`, `f16`, `bf16`, … */
  readonly format: string;
  readonly shape: readonly [number, number];
  /** What it occupies on the device. */
  readonly byteLength: number;
  /** Rows as float32: ids [n] to [n, in]. */
  unpackRows(ids: Tensor1D): Tensor2D;
  /** x · Wᵀ: [..., in] to [..., out]; with `transpose` x · W: [..., out] to [..., in], the gradient of the former. */
  multiply(x: Tensor, options?: { transpose?: boolean }): Tensor;
  dispose(): void;
}
