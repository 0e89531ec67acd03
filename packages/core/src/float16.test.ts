import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeFloat16, encodeFloat16 } from "./float16.ts";

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
const isNan = (half: number) => (half & 0x7fff) > 0x7c00;

/** By the definition of binary16, not by bits. */
function byDefinition(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

test("decodes all 65536 numbers", () => {
  const values = decodeFloat16(all);
  for (const half of all) if (!Object.is(values[half], byDefinition(half))) expect.unreachable(`at ${half}`);
});

test("encodes all of them back", () => {
  const halves = encodeFloat16(decodeFloat16(all));
  for (const half of all) {
    const wanted = isNan(half) ? half | 0x200 : half; // NaN becomes quiet and keeps its payload
    if (halves[half] !== wanted) expect.unreachable(`${half} came back as ${halves[half]}`);
  }
});

test("rounds to nearest, ties to even, between every two neighbours", () => {
  const values = decodeFloat16(all);
  for (let half = 0; half < 0x7bff; half++) {
    const [low, high] = [values[half] as number, values[half + 1] as number];
    const middle = (low + high) / 2; // exact in float32
    const bits = new Float32Array([middle, middle, middle, -middle]);
    const view = new Uint32Array(bits.buffer);
    view[0] = (view[0] as number) - 1;
    view[2] = (view[2] as number) + 1;
    const even = half & 1 ? half + 1 : half;
    expect([...encodeFloat16(bits)]).toEqual([half, even, half + 1, even | 0x8000]);
  }
});

test("ends of the range", () => {
  const values = new Float32Array([
    65504,
    65519.996,
    65520,
    -1e30,
    Infinity,
    2 ** -25,
    2 ** -25 * 1.0001,
    1e-45,
    -0,
  ]);
  expect([...encodeFloat16(values)]).toEqual([0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00, 0, 1, 0, 0x8000]);
});

test.runIf("Float16Array" in globalThis)("agrees with the engine's Float16Array", () => {
  fc.assert(
    fc.property(fc.float32Array({ noNaN: true, minLength: 1 }), (values) => {
      const native = Reflect.construct(Reflect.get(globalThis, "Float16Array"), [values]) as {
        buffer: ArrayBuffer;
      };
      expect([...encodeFloat16(values)]).toEqual([...new Uint16Array(native.buffer)]);
    }),
  );
});

test("takes a part of a larger array", () => {
  expect([...encodeFloat16(new Float32Array([9, 1, 2]).subarray(1))]).toEqual([0x3c00, 0x4000]);
});
