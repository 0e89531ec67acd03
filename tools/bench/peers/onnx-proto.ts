// ONNX models without ONNX's library: the few messages of onnx.proto that our peers need.

/** TensorProto.DataType. */
export const FLOAT = 1;
export const UINT8 = 2;
export const INT64 = 7;

/** An initializer; dims may be empty. */
export function tensorProto(
  name: string,
  type: number,
  dims: readonly number[],
  data: Uint8Array,
): Uint8Array {
  return message(...dims.map((side) => [1, side] as const), [2, type], [8, name], [9, data]);
}

/** A float32 input or output of the graph. */
export function valueInfo(name: string, dims: readonly number[]): Uint8Array {
  const shape = message(...dims.map((side) => [1, message([1, side])] as const));
  return message([1, name], [2, message([1, message([1, FLOAT], [2, shape])])]);
}

/** What a field of a message holds: a whole number, text, bytes or another message, or a float32. */
type Field = number | string | Uint8Array | { readonly float: number };

/** A protobuf message, by field numbers. */
export function message(...fields: readonly (readonly [number, Field])[]): Uint8Array {
  const parts = fields.flatMap(([field, value]) => {
    if (typeof value === "number") return [varint(field * 8), varint(value)];
    if (typeof value === "object" && "float" in value) {
      return [varint(field * 8 + 5), new Uint8Array(Float32Array.of(value.float).buffer)];
    }
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    return [varint(field * 8 + 2), varint(bytes.length), bytes];
  });
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Seven bits a byte, the lowest first; negative numbers as 64 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) + 128);
  return Uint8Array.from([...bytes, Number(rest)]);
}
