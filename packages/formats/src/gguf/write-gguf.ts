import { createProgress, type OnProgress, throwIfAborted } from "@corenet/core";
import type { ByteSink } from "../byte-sink.ts";
import { type GgufDtype, ggufLayouts } from "./gguf-dtype.ts";
import { encodeGgufString, encodeGgufValue, type GgufMetadata } from "./gguf-metadata.ts";

export interface GgufEntry {
  name: string;
  dtype: GgufDtype;
  /** Rows first, as everywhere here; the file turns the order round. One to four axes. */
  shape: readonly number[];
  /** The bytes of the tensor, or what makes them when its turn comes. */
  data: ArrayBufferView | (() => ArrayBufferView | Promise<ArrayBufferView>);
}

export interface WriteGgufOptions {
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

const VERSION = 3;
const ALIGNMENT = 32; // bytes: the default, so no key says so
const PIECE_BYTES = 16 * 2 ** 20; // one write: lets an abort and progress through

/**
 * Writes a GGUF file as a stream: keys, the table of tensors, then tensor by tensor, each made when its turn comes.
 * Then it closes `sink`; after a failure or an abort it aborts `sink`, and nothing remains.
 *
 * @returns the size of the file in bytes
 * @throws RangeError when names repeat, a row is not a whole number of blocks, or data does not fit its shape
 * @throws IoError when the sink fails
 * @see ggml-org/ggml, docs/gguf.md
 */
export async function writeGguf(
  sink: ByteSink,
  metadata: GgufMetadata,
  entries: readonly GgufEntry[],
  options: WriteGgufOptions = {},
): Promise<number> {
  const { signal, onProgress } = options;
  try {
    throwIfAborted(signal);
    const header = encodeHeader(metadata, entries);
    const total = header.length + entries.reduce((sum, entry) => sum + aligned(ggufByteLength(entry)), 0);
    const progress = createProgress({ phase: "write", unit: "bytes", total, onProgress });

    await sink.write(header);
    progress.advance(header.length);
    for (const entry of entries) {
      throwIfAborted(signal);
      const { buffer, byteOffset, byteLength } =
        typeof entry.data === "function" ? await entry.data() : entry.data;
      if (byteLength !== ggufByteLength(entry)) {
        throw new RangeError(
          `writeGguf: tensor ${JSON.stringify(entry.name)} came with ${byteLength} bytes, expected ` +
            `${ggufByteLength(entry)} for ${entry.dtype} [${entry.shape}]. Pass as many as its shape has.`,
        );
      }
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        throwIfAborted(signal);
        const piece = bytes.subarray(start, start + PIECE_BYTES);
        await sink.write(piece);
        progress.advance(piece.length, entry.name);
      }
      const gap = aligned(byteLength) - byteLength;
      if (gap > 0) await sink.write(new Uint8Array(gap));
      progress.advance(gap, entry.name);
    }
    throwIfAborted(signal);
    await sink.close();
    progress.finish();
    return total;
  } catch (error) {
    await sink.abort(error).catch(() => {}); // the error that led here matters more
    throw error;
  }
}

/** Bytes of a tensor in the file. @throws RangeError when a row is not a whole number of blocks */
export function ggufByteLength({ name, dtype, shape }: Pick<GgufEntry, "name" | "dtype" | "shape">): number {
  const { blockSize, blockBytes } = ggufLayouts[dtype];
  const row = shape.at(-1) ?? 0;
  const size = shape.reduce((product, side) => product * side, 1);
  const isWhole =
    shape.every((side) => Number.isInteger(side) && side > 0) && Number.isSafeInteger(size * blockBytes);
  if (!isWhole || shape.length < 1 || shape.length > 4) {
    throw new RangeError(
      `writeGguf: tensor ${JSON.stringify(name)} has shape [${shape}], expected one to four positive integers.`,
    );
  }
  if (row % blockSize !== 0) {
    throw new RangeError(
      `writeGguf: tensor ${JSON.stringify(name)} has rows of ${row}, expected a multiple of ${blockSize} for ${dtype}. ` +
        "Write it as F16.",
    );
  }
  return (size / blockSize) * blockBytes;
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Magic, counts, keys, and the table of tensors, padded to where the first begins. */
function encodeHeader(metadata: GgufMetadata, entries: readonly GgufEntry[]): Uint8Array {
  const keys = Object.entries(metadata);
  const start = new Uint8Array(24);
  const view = new DataView(start.buffer);
  start.set(new TextEncoder().encode("GGUF"));
  view.setUint32(4, VERSION, true);
  view.setBigUint64(8, BigInt(entries.length), true);
  view.setBigUint64(16, BigInt(keys.length), true);
  const parts: Uint8Array[] = [start];
  for (const [key, value] of keys) parts.push(encodeGgufString(key), ...encodeGgufValue(key, value));
  const names = new Set<string>();
  let offset = 0;
  for (const entry of entries) {
    if (names.has(entry.name)) {
      throw new RangeError(
        `writeGguf: two tensors are named ${JSON.stringify(entry.name)}, expected different names. Rename one.`,
      );
    }
    names.add(entry.name);
    parts.push(encodeGgufString(entry.name), encodeInfo(entry, offset));
    offset += aligned(ggufByteLength(entry));
  }
  const header = new Uint8Array(aligned(parts.reduce((sum, part) => sum + part.length, 0)));
  let at = 0;
  for (const part of parts) {
    header.set(part, at);
    at += part.length;
  }
  return header;
}

/** Axes from the innermost out, type and offset of one tensor. */
function encodeInfo({ dtype, shape }: GgufEntry, offset: number): Uint8Array {
  const info = new Uint8Array(4 + 8 * shape.length + 4 + 8);
  const view = new DataView(info.buffer);
  view.setUint32(0, shape.length, true);
  [...shape].reverse().forEach((side, i) => {
    view.setBigUint64(4 + 8 * i, BigInt(side), true);
  });
  view.setUint32(4 + 8 * shape.length, ggufLayouts[dtype].id, true);
  view.setBigUint64(8 + 8 * shape.length, BigInt(offset), true);
  return info;
}
