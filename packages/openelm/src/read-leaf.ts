// One tensor of a checkpoint, onto the device, in the storage that was asked for, piece by piece.
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "@corenet/core";
import { type QuantizedRows, quantizeRows } from "@corenet/core/quantize";
import { type Dtype, type TensorFile, type TensorInfo, toFloat32 } from "@corenet/formats";
import { HalfMatrix, IntMatrix, type PackedMatrix, type Tensor, tensorFromPieces } from "@corenet/tensor";
import type { Storage } from "./storage.ts";

/** The dtypes that weights may have in a file. */
export const weightDtypes: readonly Dtype[] = ["F32", "F16", "BF16", "F64"];

/** @throws FormatError when the bytes are broken */
export async function readLeaf(
  weights: TensorFile,
  name: string,
  storage: Storage,
  signal: AbortSignal | undefined,
): Promise<Tensor | PackedMatrix> {
  const { dtype, shape } = weights.tensors.get(name) as TensorInfo;
  const [rows, columns] = shape;
  const format = storage === "as-is" ? storedAs[dtype] : storage;
  if (rows === undefined || columns === undefined || format === "f32" || format === undefined) {
    const pieces =
      dtype === "F32" ? weights.pieces(name, { signal }) : bytesOf(floats(weights, name, signal));
    return tensorFromPieces(shape, "float32", pieces);
  }
  if (format === "int8" || format === "int4") {
    return IntMatrix.create(await quantized(floats(weights, name, signal), { rows, columns, format }));
  }
  const pieces =
    storedAs[dtype] === format
      ? weights.pieces(name, { signal })
      : encoded(floats(weights, name, signal), format);
  return HalfMatrix.create(pieces, [rows, columns], format);
}

const storedAs: { readonly [dtype in Dtype]?: "f16" | "bf16" } = { F16: "f16", BF16: "bf16" };

/** The numbers of a tensor in pieces; each is valid until the next. */
async function* floats(
  weights: TensorFile,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Float32Array> {
  const { dtype } = weights.tensors.get(name) as TensorInfo;
  if (dtype === "F64") {
    yield toFloat32(dtype, await weights.read(name, { signal }));
    return;
  }
  const decode = dtype === "F16" ? decodeFloat16 : decodeBfloat16;
  let buffer = new Float32Array(0);
  for await (const piece of weights.pieces(name, { signal })) {
    if (dtype === "F32") {
      yield new Float32Array(piece.buffer, piece.byteOffset, piece.length / 4);
      continue;
    }
    const halves = new Uint16Array(piece.buffer, piece.byteOffset, piece.length / 2);
    if (buffer.length < halves.length) buffer = new Float32Array(halves.length);
    yield decode(halves, buffer.subarray(0, halves.length));
  }
}

async function* bytesOf(pieces: AsyncIterable<Float32Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
}

async function* encoded(
  pieces: AsyncIterable<Float32Array>,
  format: "f16" | "bf16",
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    const halves = format === "f16" ? encodeFloat16(piece) : encodeBfloat16(piece);
    yield new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
  }
}

const blockFloats = 2 ** 18; // 1 MiB of float32 at a time

/** Quantizes as many whole rows at a time as fit a block, so that the matrix is never there as float32. */
async function quantized(
  pieces: AsyncIterable<Float32Array>,
  { rows, columns, format }: Pick<QuantizedRows, "rows" | "columns" | "format">,
): Promise<QuantizedRows> {
  const groups = Math.ceil(columns / 32);
  const rowBytes = groups * (format === "int8" ? 32 : 16);
  const quants = new Uint8Array(rows * rowBytes);
  const scales = new Uint16Array(rows * groups);
  const block = new Float32Array(columns * Math.max(1, Math.floor(blockFloats / Math.max(1, columns))));
  let filled = 0;
  let done = 0; // rows

  function flush(): void {
    const count = filled / columns;
    const part = quantizeRows(block.subarray(0, filled), { rows: count, columns, format });
    quants.set(part.quants, done * rowBytes);
    scales.set(part.scales, done * groups);
    done += count;
    filled = 0;
  }
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const length = Math.min(piece.length - at, block.length - filled);
      block.set(piece.subarray(at, at + length), filled);
      filled += length;
      at += length;
      if (filled === block.length) flush();
    }
  }
  if (filled > 0) flush();
  return { format, rows, columns, groups, quants, scales };
}
