/** Element types of safetensors that have a typed array. */
export type Dtype =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U64"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL";

/** The elements of one tensor. F16 and BF16 are their 16 raw bits; BOOL is 0 or 1 in a byte. */
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** What holds the elements of one dtype. */
export interface DtypeArray {
  /** The array's name, for error texts. */
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): TensorData;
}

// In the order of the reference's enum: its writer puts the last of these first.
const arrays: ReadonlyMap<string, DtypeArray> = /* @__PURE__ */ new Map<Dtype, DtypeArray>([
  ["BOOL", Uint8Array],
  ["U8", Uint8Array],
  ["I8", Int8Array],
  ["I16", Int16Array],
  ["U16", Uint16Array],
  ["F16", Uint16Array],
  ["BF16", Uint16Array],
  ["I32", Int32Array],
  ["U32", Uint32Array],
  ["F32", Float32Array],
  ["F64", Float64Array],
  ["I64", BigInt64Array],
  ["U64", BigUint64Array],
]);

/** All dtypes, by growing size. */
export const dtypes: readonly string[] = /* @__PURE__ */ [...arrays.keys()];

export function isDtype(name: unknown): name is Dtype {
  return typeof name === "string" && arrays.has(name);
}

/** The typed array that holds `dtype`; its BYTES_PER_ELEMENT is the item size. @throws TypeError when unknown */
export function arrayOf(dtype: Dtype): DtypeArray {
  const array = arrays.get(dtype);
  if (!array) throw new TypeError(`arrayOf: dtype is ${dtype}, expected one of ${dtypes.join(", ")}.`);
  return array;
}
