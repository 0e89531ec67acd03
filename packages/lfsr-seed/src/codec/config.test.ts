import { expect, test } from "vitest";
import { bitsPerWeight, lfsrConfig } from "./config.ts";
import { blockGrid, payloadSizes } from "./lfsr-tensor.ts";

test("the named configurations and their bits", () => {
  expect(lfsrConfig()).toMatchObject({ C: 8, P: 3, K: 16, taps: 0x100b, decimation: 1 });
  expect(lfsrConfig({ bits: 3 })).toMatchObject({ C: 12, P: 4, K: 16 });
  expect(([3, 4, 4.5] as const).map((bits) => bitsPerWeight(lfsrConfig({ bits })))).toEqual([3, 4, 4.5]);
  expect(bitsPerWeight(lfsrConfig({ C: 10, P: 5, K: 16 }))).toBe(4);
});

test("sizes of a 4096 x 4096 matrix", () => {
  const bytes = (bits: 3 | 4, layout: "rows" | "flat") => {
    const config = lfsrConfig({ bits });
    const { blocks } = blockGrid("test", [4096, 4096], config.C, layout);
    const { seeds, codes, exponents } = payloadSizes(blocks, config);
    return [blocks, seeds + codes + exponents];
  };
  expect(bytes(4, "rows")).toEqual([2097152, 8388608]);
  expect(bytes(3, "flat")).toEqual([1398102, 6291459]);
  expect(bytes(3, "rows")).toEqual([1400832, 6303744]);
});

test("says what cannot be coded", () => {
  expect(() => lfsrConfig({ K: 16, taps: 3, C: 8, P: 3 })).toThrow(
    "taps 0x3 do not visit all 2^16 - 1 states",
  );
  expect(() => lfsrConfig({ C: 3, P: 4 })).toThrow(
    "C is 3 and P is 4, expected integers with 1 <= P <= C <= 255",
  );
  expect(() => lfsrConfig({ bits: 4, C: 8, P: 3 })).toThrow("bits is 4 with C 8 and P 3");
  expect(() => lfsrConfig({ C: 8, P: 3, K: 25 })).toThrow("K is 25");
  expect(() => lfsrConfig({ C: 200, P: 40, K: 24 })).toThrow(
    "(200, 40, 24), expected 8P(2^(K-1) - 1) < 2^31",
  );
  expect(() => lfsrConfig({ bits: 4, decimation: 3 })).toThrow(
    "decimation is 3, expected an integer in [1, 65535) coprime",
  );
  expect(() => blockGrid("test", [2, -1], 8, "rows")).toThrow("shape is [2,-1]");
  expect(() => blockGrid("test", [], 8, "rows")).toThrow("expected 1 to 4 integers");
});
