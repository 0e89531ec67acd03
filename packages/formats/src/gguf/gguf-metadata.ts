/** A number with the type that it has in the file. */
export interface GgufNumber {
  readonly type: "u32" | "i32" | "f32" | "u64";
  readonly value: number;
}

/** What a key may hold; typed arrays are arrays of their element type. */
export type GgufValue = string | boolean | GgufNumber | readonly string[] | Int32Array | Float32Array;

/** Keys and values, in the order in which they are written. */
export type GgufMetadata = Readonly<Record<string, GgufValue>>;

const types = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;
const ranges = {
  u32: [0, 2 ** 32 - 1],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u64: [0, Number.MAX_SAFE_INTEGER],
} as const;

/** The bytes of one value, its type in front. @throws RangeError when a number is outside of its type */
export function encodeGgufValue(key: string, value: GgufValue): Uint8Array[] {
  if (typeof value === "string") return [u32(types.string), encodeGgufString(value)];
  if (typeof value === "boolean") return [u32(types.bool), Uint8Array.of(Number(value))];
  if (value instanceof Int32Array) return [arrayHead(types.i32, value.length), bytesOf(value)];
  if (value instanceof Float32Array) return [arrayHead(types.f32, value.length), bytesOf(value)];
  if ("type" in value) return [u32(types[value.type]), encodeNumber(key, value)];
  return [arrayHead(types.string, value.length), ...value.map(encodeGgufString)];
}

/** The length in bytes, and UTF-8. */
export function encodeGgufString(text: string): Uint8Array {
  const utf8 = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + utf8.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(utf8.length), true);
  bytes.set(utf8, 8);
  return bytes;
}

function encodeNumber(key: string, { type, value }: GgufNumber): Uint8Array {
  const bytes = new Uint8Array(type === "u64" ? 8 : 4);
  const view = new DataView(bytes.buffer);
  if (type === "f32") {
    view.setFloat32(0, value, true);
    return bytes;
  }
  const [least, most] = ranges[type];
  if (!(Number.isInteger(value) && value >= least && value <= most)) {
    throw new RangeError(
      `writeGguf: ${key} is ${value}, expected an integer from ${least} to ${most} as ${type}. Use another type.`,
    );
  }
  if (type === "u64") view.setBigUint64(0, BigInt(value), true);
  else view.setInt32(0, value | 0, true);
  return bytes;
}

function arrayHead(type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, types.array, true);
  view.setUint32(4, type, true);
  view.setBigUint64(8, BigInt(length), true);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** Every machine that runs JavaScript today is little-endian, as GGUF is. */
function bytesOf(values: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
