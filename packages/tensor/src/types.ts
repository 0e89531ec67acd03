/** Element types that every backend we ship stores exactly. A `bool` is one byte, 0 or 1. */
export type DType = "float32" | "int32" | "bool";

/** The typed array that holds the elements of a tensor of each `DType`. */
export interface DataOf {
  float32: Float32Array;
  int32: Int32Array;
  bool: Uint8Array;
}

/**
 * An immutable array on the active backend. Its memory lies outside the garbage collector, so each has an
 * owner who disposes it, by `dispose()` or by the `tidy` around its making. Structurally a tensor of
 * TensorFlow.js, so one made there can be passed in.
 */
export interface Tensor {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly size: number;
  readonly rank: number;
  readonly isDisposed: boolean;
  dispose(): void;
}

/** Tensors whose rank the type checker knows, so that their shape can be taken apart by position. */
export type Scalar = Tensor & { readonly shape: readonly [] };
export type Tensor1D = Tensor & { readonly shape: readonly [number] };
export type Tensor2D = Tensor & { readonly shape: readonly [number, number] };
export type Tensor3D = Tensor & { readonly shape: readonly [number, number, number] };
export type Tensor4D = Tensor & { readonly shape: readonly [number, number, number, number] };
export type Tensor5D = Tensor & { readonly shape: readonly [number, number, number, number, number] };
