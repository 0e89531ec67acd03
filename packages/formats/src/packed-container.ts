import type { ReadOptions } from "./byte-source.ts";
import type { TensorFile } from "./tensor-file.ts";
import type { SafetensorsEntry } from "./write-safetensors.ts";

/** What a container says about one of its matrices, before the matrix is read. */
export interface PackedInfo {
  /** [out, in], or whatever it stands for. */
  readonly shape: readonly number[];
  /** Names of its entries in the file. */
  readonly entries: readonly string[];
  /** Of these entries together. */
  readonly byteLength: number;
}

/**
 * How matrices of some storage format lie in a checkpoint, in entries of their own. Models load and save through it
 * and know no format by name: `loadOpenElm(folder, { packed: [lfsrContainer()] })`.
 *
 * @typeParam M - the matrices of all formats; a container makes those of its own
 */
export interface PackedContainer<M> {
  /** For error texts. */
  readonly format: string;
  /** The packed matrices of a file, by the name that a plain tensor would have. @throws FormatError when they are broken */
  find(file: TensorFile, options?: ReadOptions): Promise<ReadonlyMap<string, PackedInfo>>;
  /** Reads one of them. @throws FormatError when it is broken */
  read(file: TensorFile, name: string, options?: ReadOptions): Promise<M>;
  /** A matrix as entries of a file, or undefined where it is of another format. */
  entries(name: string, matrix: M): Promise<SafetensorsEntry[]> | undefined;
}
