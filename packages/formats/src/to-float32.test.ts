import { expect, test } from "vitest";
import { toFloat32 } from "./to-float32.ts";

test("decodes what is packed, rounds what is wider, copies no F32", () => {
  const data = Float32Array.of(1.5);
  expect(toFloat32("F32", data)).toBe(data);
  expect([...toFloat32("F16", Uint16Array.of(0x3c00))]).toEqual([1]);
  expect([...toFloat32("BF16", Uint16Array.of(0x3fc0))]).toEqual([1.5]);
  expect([...toFloat32("U16", Uint16Array.of(0x3fc0))]).toEqual([0x3fc0]);
  expect([...toFloat32("F64", Float64Array.of(0.1))]).toEqual([Math.fround(0.1)]);
  expect([...toFloat32("I64", BigInt64Array.of(-5n))]).toEqual([-5]);
  expect([...toFloat32("BOOL", Uint8Array.of(1, 0))]).toEqual([1, 0]);
  expect(() => toFloat32("F16", Float32Array.of(1))).toThrow(
    "data is Float32Array, expected the array of F16",
  );
});
