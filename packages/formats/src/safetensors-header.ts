import { FormatError } from "@corenet/core";
import { arrayOf, dtypes, isDtype } from "./dtype.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { TensorInfo } from "./tensor-file.ts";

/** The largest header that the reference reads, in bytes. */
export const maxHeaderBytes = 100_000_000;

export interface SafetensorsHeader {
  tensors: Map<string, TensorInfo>;
  metadata: Map<string, string>;
}

const again = "The file is damaged; download or write it again.";

/**
 * Length of the header, from the first 8 bytes of the file.
 *
 * @throws FormatError when no header of that length can be in the file
 */
export function parseHeaderLength(file: string, size: number, bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > maxHeaderBytes) {
    throw new FormatError(
      `openSafetensors: ${file} begins with a header length of ${length}, expected at most ${maxHeaderBytes}. ` +
        "It is not a safetensors file, or damaged; check that it is the right one.",
      { file },
    );
  }
  if (length > size - 8) {
    throw new FormatError(
      `openSafetensors: ${file} has ${size} bytes, but its header alone needs ${8n + length}. ` +
        "The file is cut short; download it again.",
      { file },
    );
  }
  return Number(length);
}

/**
 * The header of a safetensors file of `size` bytes: tensors in file order that fill the file without gap or overlap.
 *
 * @param bytes - the header, without the 8 bytes of its length
 * @throws FormatError when anything does not fit
 * @see https://github.com/huggingface/safetensors#format
 */
export function parseHeader(file: string, size: number, bytes: Uint8Array): SafetensorsHeader {
  const fail = (text: string, tensor?: string) =>
    new FormatError(
      tensor === undefined
        ? `openSafetensors: ${file} ${text}`
        : `openSafetensors: tensor ${JSON.stringify(tensor)} of ${file} ${text}`,
      tensor === undefined ? { file } : { file, tensor },
    );

  if (bytes[0] !== 0x7b) {
    throw fail(
      `has a header that begins with byte ${bytes[0] ?? "none"}, expected 123, a brace. ` +
        "It is not a safetensors file, or damaged; check that it is the right one.",
    );
  }
  const header = parseStrictJson("openSafetensors", file, "the header", bytes);
  if (!isObject(header)) throw fail(`has a header that is not an object. ${again}`);

  const dataStart = 8 + bytes.length;
  const dataBytes = size - dataStart;
  const metadata = new Map<string, string>();
  const entries: [name: string, info: TensorInfo][] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") readMetadata(entry);
    else entries.push([name, tensorInfo(name, entry)]);
  }
  entries.sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkContiguous();
  return { tensors: new Map(entries), metadata };

  function readMetadata(entry: unknown): void {
    if (!isObject(entry))
      throw fail(`has a __metadata__ that is ${show(entry)}, expected an object. ${again}`);
    for (const [key, value] of Object.entries(entry)) {
      if (typeof value !== "string") {
        throw fail(
          `has ${show(value)} as __metadata__ ${JSON.stringify(key)}, expected a string. ` +
            "Write it again with strings only.",
        );
      }
      metadata.set(key, value);
    }
  }

  function tensorInfo(name: string, entry: unknown): TensorInfo {
    if (!isObject(entry))
      throw fail(`is ${show(entry)}, expected { dtype, shape, data_offsets }. ${again}`, name);
    const { dtype, shape, data_offsets: offsets } = own(entry);
    if (!isDtype(dtype)) {
      throw fail(
        `has dtype ${show(dtype)}, expected one of ${dtypes.join(", ")}. Convert it to one of them first.`,
        name,
      );
    }
    if (!Array.isArray(shape) || !shape.every(isSize)) {
      throw fail(`has shape ${show(shape)}, expected a list of integers in [0, 2^53). ${again}`, name);
    }
    const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? offsets : [];
    if (!isSize(begin) || !isSize(end) || begin > end) {
      throw fail(
        `has data_offsets ${show(offsets)}, expected [begin, end] with begin <= end. ${again}`,
        name,
      );
    }
    const wanted = byteLength(shape, arrayOf(dtype).BYTES_PER_ELEMENT);
    if (wanted !== end - begin) {
      throw fail(
        `of ${dtype} ${show(shape)} has ${end - begin} bytes, expected ${wanted ?? "fewer than 2^53"}. ${again}`,
        name,
      );
    }
    if (end > dataBytes) {
      throw fail(
        `ends at byte ${dataStart + end}, but the file has ${size} bytes. ` +
          "The file is cut short; download it again.",
        name,
      );
    }
    return { dtype, shape, byteLength: wanted, offset: dataStart + begin, file };
  }

  function checkContiguous(): void {
    let end = dataStart;
    for (const [name, info] of entries) {
      if (info.offset !== end) {
        const how = info.offset < end ? "overlaps the one before" : "leaves a hole before it";
        throw fail(`begins at byte ${info.offset} and ${how}, expected byte ${end}. ${again}`, name);
      }
      end += info.byteLength;
    }
    if (end !== size) {
      throw fail(`has ${size} bytes, but its tensors end at byte ${end}. Extra bytes follow. ${again}`);
    }
  }
}

/** Bytes of a tensor, or undefined when a product on the way is 2^53 or more. */
function byteLength(shape: readonly number[], itemBytes: number): number | undefined {
  let bytes = itemBytes;
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The properties of `value` itself: none comes from a prototype. */
function own(value: object): { [key: string]: unknown } {
  return Object.assign(Object.create(null), value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

/** A value for an error text, cut where it is long. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
