import { FormatError } from "@corenet/core";
import type { ByteSource, ReadOptions } from "./byte-source.ts";
import { arrayOf } from "./dtype.ts";
import { parseHeader, parseHeaderLength } from "./safetensors-header.ts";
import type { TensorFile, TensorInfo } from "./tensor-file.ts";

const pieceBytes = 2 * 2 ** 20;

/**
 * Opens a safetensors file: reads and checks its header; tensors are read when asked for. Owns `source` from then on:
 * `close` closes it, and so does a failure here.
 *
 * @throws FormatError when the file is not exactly what the format says: see `parseHeader`
 * @throws IoError when the source cannot be read
 */
export async function openSafetensors(source: ByteSource, options: ReadOptions = {}): Promise<TensorFile> {
  const { name: file, size } = source;
  try {
    if (size < 8) {
      throw new FormatError(
        `openSafetensors: ${file} has ${size} bytes, expected at least 8. The file is cut short; download it again.`,
        { file },
      );
    }
    const headerBytes = parseHeaderLength(file, size, await source.read(0, 8, options));
    const { tensors, metadata } = parseHeader(file, size, await source.read(8, headerBytes, options));
    let spare: Uint8Array<ArrayBuffer>[] = []; // what tensors before were read through
    return {
      tensors,
      metadata,
      async read(name, readOptions) {
        const { dtype, offset, byteLength } = findTensor("read", file, tensors, name);
        const bytes = await source.read(offset, byteLength, readOptions);
        return new (arrayOf(dtype))(bytes.buffer);
      },
      async readInto(name, target, readOptions) {
        const { offset, byteLength } = findTensor("readInto", file, tensors, name);
        if (target.length !== byteLength) {
          throw new RangeError(
            `readInto: target has ${target.length} bytes, expected ${byteLength} for tensor ${JSON.stringify(name)}. ` +
              "Pass an array of its byteLength.",
          );
        }
        await source.readInto(offset, target, readOptions);
      },
      async *pieces(name, readOptions) {
        const { offset, byteLength } = findTensor("pieces", file, tensors, name);
        const [here = new Uint8Array(pieceBytes), there = new Uint8Array(pieceBytes)] = spare;
        spare = []; // two tensors may be read at a time
        const read = async (at: number, buffer: Uint8Array<ArrayBuffer>) => {
          const piece = buffer.subarray(0, Math.min(pieceBytes, byteLength - at));
          await source.readInto(offset + at, piece, readOptions);
          return piece;
        };
        let next = byteLength > 0 ? read(0, here) : undefined;
        try {
          for (let at = pieceBytes; next; at += pieceBytes) {
            const piece = await next;
            next = at < byteLength ? read(at, piece.buffer === here.buffer ? there : here) : undefined;
            next?.catch(() => {}); // who left before hears nothing of it
            yield piece; // while the next one is read
          }
        } finally {
          await next?.catch(() => {});
          spare = [here, there];
        }
      },
      close: () => source.close(),
    };
  } catch (error) {
    await source.close().catch(() => {}); // the error that led here matters more
    throw error;
  }
}

/** The entry of `name`. @throws RangeError that names the nearest ones when there is none */
export function findTensor(
  who: string,
  file: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  name: string,
): TensorInfo {
  const info = tensors.get(name);
  if (info) return info;
  const last = name.slice(name.lastIndexOf(".") + 1);
  const near = [...tensors.keys()].filter((key) => key.endsWith(last)).slice(0, 3);
  const hint = near.length > 0 ? near : [...tensors.keys()].slice(0, 3);
  throw new RangeError(
    `${who}: ${file} has no tensor ${JSON.stringify(name)}, expected one of its ${tensors.size}, ` +
      `such as ${hint.join(", ") || "none"}. See tensors.`,
  );
}
