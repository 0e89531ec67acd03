import { ShapeError } from "@corenet/core";
import { currentBackend } from "./backend.ts";
import { keepTensor, makeTensor } from "./raw.ts";
import type { DataOf, DType, Tensor } from "./types.ts";

/** Changes the bytes of a tensor in the making where they lie. */
export type Arrange = (bytes: Uint8Array) => void;

/**
 * A tensor of bytes that come in pieces, each copied as it comes: on wasm straight onto the heap, so that loading
 * takes no second copy of a large weight. No `tidy` around can free it, since this waits.
 *
 * @param pieces - little-endian elements, together exactly the tensor; of any lengths
 * @param arrange - does something to the whole once it is there
 * @throws ShapeError when there are too many or too few bytes
 */
export async function tensorFromPieces<T extends Tensor>(
  shape: T["shape"],
  dtype: DType,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  arrange?: Arrange,
): Promise<T> {
  const target = tensorWriter<T>(shape, dtype);
  let at = 0;
  try {
    for await (const piece of pieces) {
      if (at + piece.length > target.byteLength)
        throw wrongLength(at + piece.length, target.byteLength, shape);
      target.put(piece, at);
      at += piece.length;
    }
    if (at !== target.byteLength) throw wrongLength(at, target.byteLength, shape);
  } catch (error) {
    target.discard();
    throw error;
  }
  return target.finish(arrange);
}

/** A tensor in the making. */
export interface TensorWriter<T extends Tensor> {
  readonly byteLength: number;
  /** Copies bytes to where they belong, counted from the tensor's first. */
  put(piece: Uint8Array, at: number): void;
  /** The tensor, which belongs to the caller; its bytes pass through `arrange`. */
  finish(arrange?: Arrange): T;
  /** Frees what was there, in place of `finish`. */
  discard(): void;
}

export function tensorWriter<T extends Tensor>(shape: T["shape"], dtype: DType): TensorWriter<T> {
  const size = shape.reduce((product, side) => product * side, 1);
  const byteLength = size * (dtype === "bool" ? 1 : 4);
  const host = currentBackend()?.wasm;
  if (host) {
    const made = keepTensor(host.output(shape, dtype)) as T;
    const address = host.address(made);
    return {
      byteLength,
      put: (piece, at) => new Uint8Array(host.memory.buffer).set(piece, address + at), // the heap may have grown
      finish: (arrange) => {
        arrange?.(new Uint8Array(host.memory.buffer, address, byteLength));
        return made;
      },
      discard: () => made.dispose(),
    };
  }
  const bytes = new Uint8Array(byteLength);
  return {
    byteLength,
    put: (piece, at) => bytes.set(piece, at),
    finish: (arrange) => {
      arrange?.(bytes);
      return keepTensor(makeTensor(elements(bytes, dtype), shape, dtype)) as T;
    },
    discard: () => {},
  };
}

function elements(bytes: Uint8Array<ArrayBuffer>, dtype: DType): DataOf[DType] {
  if (dtype === "float32") return new Float32Array(bytes.buffer);
  return dtype === "int32" ? new Int32Array(bytes.buffer) : bytes;
}

function wrongLength(saw: number, wanted: number, shape: readonly number[]): ShapeError {
  return new ShapeError(`tensorFromPieces: got ${saw} bytes for shape [${shape}], expected ${wanted}.`);
}

/** The same bytes, and zeros up to a whole number of int32. */
export async function* toWords(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  byteLength: number,
): AsyncGenerator<Uint8Array> {
  yield* pieces;
  if (byteLength % 4 !== 0) yield new Uint8Array(4 - (byteLength % 4));
}
