import { createProgress, type OnProgress, throwIfAborted } from "@corenet/core";
import type { ByteSink } from "./byte-sink.ts";
import { arrayOf, type Dtype, dtypes, isDtype, type TensorData } from "./dtype.ts";
import { maxHeaderBytes } from "./safetensors-header.ts";

export interface SafetensorsEntry {
  name: string;
  dtype: Dtype;
  /** Sizes of the axes; empty for a scalar. */
  shape: readonly number[];
  /** The typed array of `dtype` (16 raw bits for F16 and BF16), or what makes it when its turn comes. */
  data: TensorData | (() => TensorData | Promise<TensorData>);
}

export interface WriteSafetensorsOptions {
  /** Strings about the file, such as `{ format: "pt" }`. Written in the order of their keys. */
  metadata?: Readonly<Record<string, string>> | undefined;
  /** The reference's order, or that of the entries. @default "reference" */
  order?: "reference" | "given" | undefined;
  /** The first tensor begins at a multiple of so many bytes: 64, or a page, for those who map the file. @default 8 */
  alignBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

const pieceBytes = 16 * 2 ** 20; // one write: lets an abort and progress through

/**
 * Writes a safetensors file as a stream: header, then tensor by tensor, each made when its turn comes and dropped
 * after. Then it closes `sink`; after a failure or an abort it aborts `sink`, and nothing remains.
 *
 * The order in the file is the reference's unless `order` says otherwise: larger dtypes first, so that all is aligned,
 * then by name. Equal input gives equal bytes.
 *
 * @returns the size of the file in bytes
 * @throws RangeError when names repeat, a shape is not of integers >= 0, data does not fit dtype and shape, or
 *   `alignBytes` is not a multiple of 8
 * @throws TypeError when a dtype is unknown, or data is an array of another kind
 * @throws IoError when the sink fails
 */
export async function writeSafetensors(
  sink: ByteSink,
  entries: readonly SafetensorsEntry[],
  options: WriteSafetensorsOptions = {},
): Promise<number> {
  const { metadata = {}, order = "reference", alignBytes = 8, signal, onProgress } = options;
  try {
    throwIfAborted(signal);
    checkEntries(entries);
    const sorted = order === "given" ? entries : inFileOrder(entries);
    const header = encodeHeader(sorted, metadata, alignBytes);
    const total = header.length + sorted.reduce((sum, entry) => sum + checkedByteLength(entry), 0);
    const progress = createProgress({ phase: "write", unit: "bytes", total, onProgress });

    await sink.write(header);
    progress.advance(header.length);
    for (const entry of sorted) {
      throwIfAborted(signal);
      const data = typeof entry.data === "function" ? await entry.data() : entry.data;
      checkData(entry, data);
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      for (let start = 0; start < bytes.length; start += pieceBytes) {
        throwIfAborted(signal);
        const piece = bytes.subarray(start, start + pieceBytes);
        await sink.write(piece);
        progress.advance(piece.length, entry.name);
      }
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

/** Throws unless names differ and dtypes exist. */
function checkEntries(entries: readonly SafetensorsEntry[]): void {
  const seen = new Set<string>();
  for (const { name, dtype } of entries) {
    if (name === "__metadata__" || !name.isWellFormed()) {
      throw new RangeError(
        `writeSafetensors: a tensor is named ${JSON.stringify(name)}, expected whole Unicode text other than ` +
          "__metadata__. Rename it.",
      );
    }
    if (seen.has(name)) {
      throw new RangeError(
        `writeSafetensors: two tensors are named ${JSON.stringify(name)}, expected different names. Rename one.`,
      );
    }
    if (!isDtype(dtype)) {
      throw new TypeError(
        `writeSafetensors: tensor ${JSON.stringify(name)} has dtype ${dtype}, expected one of ${dtypes.join(", ")}.`,
      );
    }
    seen.add(name);
  }
}

/** Sorted as the reference does: by dtype, the last of its enum first, then by the UTF-8 bytes of the name. */
function inFileOrder(entries: readonly SafetensorsEntry[]): SafetensorsEntry[] {
  return [...entries].sort(
    (a, b) => dtypes.indexOf(b.dtype) - dtypes.indexOf(a.dtype) || compareCodePoints(a.name, b.name),
  );
}

/** Orders as UTF-8 bytes do; `<` on strings orders by UTF-16 units, which differs beyond U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [x, y] = [a.codePointAt(i) as number, b.codePointAt(i) as number];
    if (x !== y) return x - y;
  }
  return a.length - b.length;
}

/** Length, JSON and blanks: a multiple of `alignBytes`. */
function encodeHeader(
  entries: readonly SafetensorsEntry[],
  metadata: Readonly<Record<string, string>>,
  alignBytes: number,
): Uint8Array<ArrayBuffer> {
  if (!(Number.isSafeInteger(alignBytes) && alignBytes >= 8 && alignBytes % 8 === 0)) {
    throw new RangeError(
      `writeSafetensors: alignBytes is ${alignBytes}, expected a multiple of 8. Use 8, 64 or 4096.`,
    );
  }
  const parts: string[] = []; // joined by hand: objects would put names like "0" first
  const keys = Object.keys(metadata).sort();
  for (const key of keys) {
    if (typeof metadata[key] !== "string") {
      throw new TypeError(
        `writeSafetensors: metadata ${JSON.stringify(key)} is ${typeof metadata[key]}, expected a string. Use String().`,
      );
    }
  }
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    parts.push(`"__metadata__":{${pairs.join(",")}}`);
  }
  let offset = 0;
  for (const entry of entries) {
    const end = offset + checkedByteLength(entry);
    const { name, dtype, shape } = entry;
    parts.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const text = new TextEncoder().encode(`{${parts.join(",")}}`);
  const length = Math.ceil((8 + text.length) / alignBytes) * alignBytes - 8;
  if (length > maxHeaderBytes) {
    throw new RangeError(
      `writeSafetensors: the header has ${length} bytes, expected at most ${maxHeaderBytes}. ` +
        "Shorten metadata, or write several files.",
    );
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return header;
}

function checkedByteLength({ name, dtype, shape }: SafetensorsEntry): number {
  const bytes = shape.reduce((product, size) => product * size, arrayOf(dtype).BYTES_PER_ELEMENT);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(bytes)) {
    throw new RangeError(
      `writeSafetensors: tensor ${JSON.stringify(name)} has shape [${shape}], expected integers >= 0 and ` +
        "fewer than 2^53 bytes. Pass the sizes of its axes.",
    );
  }
  return bytes;
}

function checkData(entry: SafetensorsEntry, data: TensorData): void {
  const { name, dtype, shape } = entry;
  const array = arrayOf(dtype);
  if (!(data instanceof array)) {
    throw new TypeError(
      `writeSafetensors: tensor ${JSON.stringify(name)} of ${dtype} came as ${data?.constructor?.name ?? data}, ` +
        `expected ${array.name}. Convert it, or change dtype.`,
    );
  }
  if (data.byteLength !== checkedByteLength(entry)) {
    throw new RangeError(
      `writeSafetensors: tensor ${JSON.stringify(name)} of shape [${shape}] came with ${data.length} elements, ` +
        `expected ${checkedByteLength(entry) / array.BYTES_PER_ELEMENT}. Pass as many as its shape has.`,
    );
  }
}
