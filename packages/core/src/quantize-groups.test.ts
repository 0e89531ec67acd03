import fc from "fast-check";
import { expect, test } from "vitest";
import { dequantizeRows, quantizeRows, rowQuantizer } from "./quantize-groups.ts";

const formats = ["int8", "int4"] as const;

test("a group by hand, in 8 bits", () => {
  const values = new Float32Array(32);
  values.set([127, -127, 1, 0.5, -0.5, 0.49, 63.5]);
  const { quants, scales } = quantizeRows(values, { rows: 1, columns: 32, format: "int8" });
  expect([...new Int8Array(quants.buffer).slice(0, 8)]).toEqual([127, -127, 1, 1, -1, 0, 64, 0]);
  expect([...scales]).toEqual([0x3c00]);
});

test("a group by hand, in 4 bits: the largest is exact, halves of a byte are 16 apart", () => {
  const values = new Float32Array(32);
  values[0] = -8;
  values[1] = 7;
  values[16] = 8;
  const { quants, scales } = quantizeRows(values, { rows: 1, columns: 32, format: "int4" });
  expect([...quants.slice(0, 3)]).toEqual([0xf0, 0x8f, 0x88]);
  expect([...scales]).toEqual([0x3c00]);
});

test.each(formats)("%s comes back within its bound, whatever the shape", (format) => {
  const shapes = fc.record({
    rows: fc.integer({ min: 0, max: 5 }),
    columns: fc.integer({ min: 0, max: 100 }),
    size: fc.constantFrom(1e-6, 1e-3, 1, 1e5),
    seed: fc.nat(1000),
  });
  const check = ({
    rows,
    columns,
    size,
    seed,
  }: {
    rows: number;
    columns: number;
    size: number;
    seed: number;
  }) => {
    const values = Float32Array.from({ length: rows * columns }, (_, i) => size * Math.sin(i * (seed + 1.7)));
    const quantized = quantizeRows(values, { rows, columns, format });
    expect(quantized.groups).toBe(Math.ceil(columns / 32));
    const back = dequantizeRows(quantized);
    for (let i = 0; i < values.length; i++) {
      const column = i % columns;
      const start = i - (column % 32);
      const group = values.subarray(start, start + Math.min(32, columns - column + (column % 32)));
      const largest = Math.max(...group.map(Math.abs));
      const share = format === "int8" ? 1 / 254 + 2 ** -11 : 1 / 8 + 2 ** -10;
      const error = Math.abs((back[i] as number) - (values[i] as number));
      expect(error).toBeLessThanOrEqual(largest * share + 2 ** -18);
    }
  };
  fc.assert(fc.property(shapes, check));
});

test.each(formats)("%s of what came back is the same again", (format) => {
  const size = { rows: 3, columns: 40, format };
  const values = Float32Array.from({ length: 120 }, (_, i) => Math.sin(i * 7.1));
  const once = dequantizeRows(quantizeRows(values, size));
  const twice = dequantizeRows(quantizeRows(once, size));
  for (let i = 0; i < once.length; i++) expect(twice[i]).toBeCloseTo(once[i] as number, 3);
});

test.each(formats)("%s says where a number cannot be kept", (format) => {
  const size = { rows: 2, columns: 33, format };
  const values = new Float32Array(66);
  values[65] = Number.NaN;
  expect(() => quantizeRows(values, size)).toThrow("number [1, 32] is NaN");
  values[65] = -Infinity;
  expect(() => quantizeRows(values, size)).toThrow("number [1, 32] is -Infinity");
  values[65] = 1e9;
  expect(() => quantizeRows(values, size)).toThrow("a scale beyond f16's 65504");
});

test.each(formats)("%s in blocks of rows is the same as at once, and an error counts all rows", (format) => {
  const [rows, columns] = [7, 40];
  const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * i));
  const whole = quantizeRows(values, { rows, columns, format });
  const next = rowQuantizer({ mostRows: 3, columns, format });
  const parts = [3, 1, 3].map((count, i) => {
    const from = [0, 3, 4][i] as number;
    const { quants, scales } = next(values.subarray(from * columns, (from + count) * columns));
    return { quants: [...quants], scales: [...scales] };
  });
  expect(parts.flatMap(({ quants }) => quants)).toEqual([...whole.quants]);
  expect(parts.flatMap(({ scales }) => scales)).toEqual([...whole.scales]);
  const broken = new Float32Array(2 * columns);
  broken[columns + 35] = Number.NaN;
  expect(() => next(broken)).toThrow("number [8, 35] is NaN");
});
