import type { ReadOptions } from "./byte-source.ts";
import type { Dtype, TensorData } from "./dtype.ts";

export interface TensorInfo {
  readonly dtype: Dtype;
  /** Sizes of the axes; empty for a scalar. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** Where its bytes begin in `file`. */
  readonly offset: number;
  /** Name of the source that holds it. */
  readonly file: string;
}

/** Tensors by name, in one file or in several, read one at a time. */
export interface TensorFile {
  /** All tensors, in the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** What the file says about itself, such as `format: "pt"`. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * The elements of one tensor: the typed array of its dtype (F16 and BF16 as 16 raw bits, see `toFloat32`), over a
   * buffer of its own, read straight into it.
   *
   * @throws RangeError when there is no tensor of that name
   * @throws IoError when the bytes cannot be had
   */
  read(name: string, options?: ReadOptions): Promise<TensorData>;
  /**
   * Reads the bytes of one tensor into `target`, such as a part of a WebAssembly memory.
   *
   * @throws RangeError when there is no tensor of that name, or `target` does not have its `byteLength`
   * @throws IoError when the bytes cannot be had
   */
  readInto(name: string, target: Uint8Array, options?: ReadOptions): Promise<void>;
  /**
   * The bytes of one tensor in pieces, from first to last, so that it never lies here whole.
   *
   * @returns views of two buffers, each valid until the next is asked for; all but the last of 2 MiB. One is read while
   *   the other is used
   * @throws RangeError when there is no tensor of that name
   * @throws IoError when the bytes cannot be had
   */
  pieces(name: string, options?: ReadOptions): AsyncGenerator<Uint8Array>;
  /** Closes the sources. */
  close(): Promise<void>;
}
