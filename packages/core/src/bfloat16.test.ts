import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBfloat16, encodeBfloat16 } from "./bfloat16.ts";

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);

test("is the upper half of float32, for all 65536 numbers, and comes back", () => {
  const values = decodeBfloat16(all);
  const bits = new Uint32Array(values.buffer);
  const halves = encodeBfloat16(values);
  for (const half of all) {
    const isNan = (half & 0x7fff) > 0x7f80;
    if (bits[half] !== half * 65536) expect.unreachable(`decodes ${half} as ${bits[half]}`);
    if (halves[half] !== (isNan ? half | 0x40 : half))
      expect.unreachable(`${half} came back as ${halves[half]}`);
  }
});

test("rounds to nearest, ties to even", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7f7f }), fc.integer({ min: 0, max: 0xffff }), (high, low) => {
      const values = new Float32Array(Uint32Array.of(high * 65536 + low).buffer);
      const up = low > 0x8000 || (low === 0x8000 && high % 2 === 1);
      expect(encodeBfloat16(values)[0]).toBe(high + (up ? 1 : 0));
    }),
  );
});

test("NaN stays NaN, whatever its payload; overflow is infinity", () => {
  const odd = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff, 0x7f7fffff).buffer);
  const [low, high, largest] = encodeBfloat16(odd);
  expect([low, high, largest]).toEqual([0x7fc0, 0xffff, 0x7f80]);
});
