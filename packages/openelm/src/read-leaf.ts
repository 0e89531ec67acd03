// One tensor of a checkpoint, onto the device, in the storage that was asked for, piece by piece.
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16, FormatError } from "@corenet/core";
import { type Dtype, type TensorFile, type TensorInfo, toFloat32 } from "@corenet/formats";
import { HalfMatrix, IntMatrix, type PackedMatrix, type Tensor, tensorFromPieces } from "@corenet/tensor";
import type { Storage } from "./storage.ts";

/** The dtypes that weights may have in a file. */
export const weightDtypes: readonly Dtype[] = ["F32", "F16", "BF16", "F64"];

/**
 * Reads weights one after the other through the same memory: garbage of each would lie about for long, and be as much as
 * the model.
 *
 * @returns a function that throws FormatError when the bytes are broken
 */
export function leafReader(
  weights: TensorFile,
  storage: Storage,
  signal: AbortSignal | undefined,
): (name: string) => Promise<Tensor | PackedMatrix> {
  const scratch = { wide: new Float32Array(blockSize), narrow: new Uint16Array(blockSize) };
  return async (name) => {
    const { dtype, shape } = weights.tensors.get(name) as TensorInfo;
    const [rows, columns] = shape;
    const format = storage === "as-is" ? storedAs[dtype] : storage;
    const isAsStored = storedAs[dtype] === format;
    const numbers = () => floats(weights, name, scratch.wide, signal);
    if (rows === undefined || columns === undefined || format === "f32" || format === undefined) {
      return tensorFromPieces(shape, "float32", bytesOf(numbers()));
    }
    if (format === "int8" || format === "int4") return IntMatrix.quantize(numbers(), [rows, columns], format);
    const pieces = isAsStored ? weights.pieces(name, { signal }) : encoded(numbers(), format, scratch.narrow);
    return HalfMatrix.create(pieces, [rows, columns], format);
  };
}

const storedAs: { readonly [dtype in Dtype]?: "f16" | "bf16" } = { F16: "f16", BF16: "bf16" };
const blockSize = 2 ** 18; // numbers at a time

/**
 * The numbers of a tensor in blocks; each is valid until the next.
 *
 * @throws FormatError naming the first that is infinite or NaN
 */
async function* floats(
  weights: TensorFile,
  name: string,
  wide: Float32Array<ArrayBuffer>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Float32Array> {
  const { dtype, file } = weights.tensors.get(name) as TensorInfo;
  let seen = 0;
  const checked = (block: Float32Array) => {
    const broken = firstNonFinite(block);
    if (broken < 0) {
      seen += block.length;
      return block;
    }
    throw new FormatError(
      `loadOpenElm: element ${seen + broken} of ${name} is ${block[broken]}, expected finite weights. Take a sound checkpoint.`,
      { file, tensor: name },
    );
  };
  if (dtype === "F64") {
    yield checked(toFloat32(dtype, await weights.read(name, { signal })));
    return;
  }
  const decode = dtype === "F16" ? decodeFloat16 : decodeBfloat16;
  for await (const piece of weights.pieces(name, { signal })) {
    const { buffer, byteOffset, length } = piece;
    const count = length / (dtype === "F32" ? 4 : 2);
    for (let at = 0; at < count; at += blockSize) {
      const size = Math.min(blockSize, count - at);
      yield checked(
        dtype === "F32"
          ? new Float32Array(buffer, byteOffset + 4 * at, size)
          : decode(new Uint16Array(buffer, byteOffset + 2 * at, size), wide.subarray(0, size)),
      );
    }
  }
}

/** -1 where all are finite. An exponent of ones, and no other, carries into the sign when its lowest bit is added. */
function firstNonFinite(values: Float32Array): number {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let carried = 0;
  for (let i = 0; i < bits.length; i++) carried |= ((bits[i] as number) & 0x7f800000) + 0x00800000;
  return carried < 0 ? values.findIndex((value) => !Number.isFinite(value)) : -1;
}

async function* bytesOf(pieces: AsyncIterable<Float32Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
}

async function* encoded(
  pieces: AsyncIterable<Float32Array>,
  format: "f16" | "bf16",
  narrow: Uint16Array<ArrayBuffer>,
): AsyncGenerator<Uint8Array> {
  const encode = format === "f16" ? encodeFloat16 : encodeBfloat16;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += blockSize) {
      const part = piece.subarray(at, at + blockSize);
      const halves = encode(part, narrow.subarray(0, part.length));
      yield new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
    }
  }
}
