import { readData, slice, sqrt, square, sum, type Tensor4D, tensor } from "@corenet/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectGradient, expectNoLeak, loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { attention } from "./attention.ts";
import { type RopeTables, rope, ropeTables } from "./rope.ts";

const golden = await loadGolden("openelm/modules");
const random = (shape: [number, number, number, number], seed = 1) => {
  const size = shape.reduce((n, side) => n * side, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(seed * 12.9898 * (i + 1))),
    shape,
  );
};

onEveryBackend(() => {
  test("turns dimension j with j + d/2, by p · base^(−2j/d)", async () => {
    // One head of 4 at position 1: angles 1 and 1/100.
    const x = tensor([1, 2, 3, 4], [1, 1, 1, 4]);
    const y = rope(x, ropeTables({ headDim: 4, start: 1, length: 1 }));
    const [c, s, c2, s2] = [Math.cos(1), Math.sin(1), Math.cos(0.01), Math.sin(0.01)];
    const expected = [1 * c - 3 * s, 2 * c2 - 4 * s2, 3 * c + 1 * s, 4 * c2 + 2 * s2];
    await expect(y).toBeAllClose(expected, { atol: 1e-6 });
  });

  test("leaves position 0 as it is", async () => {
    const x = random([1, 2, 1, 8]);
    await expect(rope(x, ropeTables({ headDim: 8, length: 1 }))).toBeAllClose(x, { atol: 0, rtol: 0 });
  });

  test("matches the reference, at the start and at an offset", async () => {
    const keys = rope(
      golden.tensor("input.rope_k") as Tensor4D,
      ropeTables({ headDim: 16, start: 0, length: 8 }),
    );
    await expect(keys).toBeAllClose(golden.tensor("output.rope_k"), { atol: 2e-5 });
    const queries = rope(
      golden.tensor("input.rope_q") as Tensor4D,
      ropeTables({ headDim: 16, start: 5, length: 3 }),
    );
    await expect(queries).toBeAllClose(golden.tensor("output.rope_q"), { atol: 2e-5 });
  });

  test("keeps norms, and is undone by turning back", async () => {
    const shape = fc.record({ start: fc.nat(5000), length: fc.integer({ min: 1, max: 5 }) });
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(1000), async ({ start, length }, seed) => {
        const x = random([2, 3, length, 8], seed + 1);
        const tables = ropeTables({ headDim: 8, start, length });
        const y = rope(x, tables);
        const norm = (t: Tensor4D) => sqrt(sum(square(t), { axis: -1 }));
        await expect(norm(y)).toBeAllClose(norm(x), { atol: 1e-5 });
        await expect(rope(y, tables, { inverse: true })).toBeAllClose(x, { atol: 1e-5 });
      }),
      { numRuns: 20 },
    );
  });

  test("positions count from the beginning of each document", async () => {
    const x = random([2, 3, 5, 8]);
    const y = rope(
      x,
      ropeTables({
        headDim: 8,
        length: 5,
        documents: [
          [0, 2],
          [0, 1, 4],
        ],
      }),
    );
    const part = (of: Tensor4D, row: number, from: number, length: number) =>
      slice(of, [row, 0, from, 0], [1, 3, length, 8]);
    for (const [row, from, length] of [
      [0, 0, 2],
      [0, 2, 3],
      [1, 0, 1],
      [1, 1, 3],
      [1, 4, 1],
    ] as const) {
      const alone = rope(part(x, row, from, length), ropeTables({ headDim: 8, length }));
      await expect(part(y, row, from, length)).toBeAllClose(alone, { atol: 0, rtol: 0 });
    }
  });

  test("attention sees relative positions only", async () => {
    const [q, k, v] = [random([2, 4, 5, 16], 2), random([2, 2, 5, 16], 3), random([2, 2, 5, 16], 4)];
    const at = (start: number) => {
      const tables = ropeTables({ headDim: 16, start, length: 5 });
      return attention(rope(q, tables), rope(k, tables), v, { causal: true });
    };
    const here = at(0);
    for (const start of [1, 17, 1000]) await expect(at(start)).toBeAllClose(here, { atol: 1e-5 });
    const without = attention(q, k, v, { causal: true });
    await expect(without).not.toBeAllClose(here, { atol: 1e-2 }); // the test would pass without any rotation
  });

  test("has the rotation back as its gradient", async () => {
    const params = { x: random([1, 2, 3, 4]) };
    const tables = ropeTables({ headDim: 4, start: 2, length: 3 });
    await expectGradient((p: typeof params) => rope(p.x, tables), params);
    await expectGradient((p: typeof params) => rope(p.x, tables, { inverse: true }), params);
  });

  test("says how to mend tables that do not fit", () => {
    const tables = ropeTables({ headDim: 8, length: 3 });
    expect(() => rope(random([1, 1, 4, 8]), tables)).toThrow(
      "rope: cos has shape [3, 4], expected [4, 4]. Make the tables with ropeTables for the positions of x.",
    );
    expect(() => rope(random([1, 1, 3, 6]), tables)).toThrow("expected [3, 3]");
    expect(() => rope(tensor(new Int32Array(8), [1, 1, 1, 8]) as Tensor4D, tables)).toThrow("x is int32");
  });

  test("frees its intermediates", () => {
    const x = random([1, 2, 3, 4]);
    expectNoLeak(() => {
      const tables = ropeTables({ headDim: 4, length: 3 });
      const y = rope(x, tables);
      tables.cos.dispose();
      tables.sin.dispose();
      return y;
    });
  });
});

describe("ropeTables", () => {
  const positions = [0, 1, 2, 7, 100, 2047, 4095];

  test.each([64, 128])("match the reference's table for heads of %i", async (headDim) => {
    for (const name of ["cos", "sin"] as const) {
      const expected = golden.tensors.get(`output.${name}${headDim}`)?.data as Float32Array;
      for (const [row, start] of positions.entries()) {
        const table = ropeTables({ headDim, start, length: 1 })[name];
        const half = expected.slice(row * headDim, row * headDim + headDim / 2);
        // The reference multiplies in float32, so its far angles are off by a few 1e-4.
        await expect(table).toBeAllClose(half, { atol: start <= 7 ? 1e-6 : 5e-4, rtol: 0 });
        expect(expected.slice(row * headDim + headDim / 2, (row + 1) * headDim)).toEqual(half);
      }
    }
  });

  test("go on where a shorter table ends", async () => {
    const whole = ropeTables({ headDim: 8, length: 9, base: 500 });
    const part = ropeTables({ headDim: 8, start: 5, length: 4, base: 500 });
    expect((await readData(whole.cos)).slice(5 * 4)).toEqual(await readData(part.cos));
    expect((await readData(whole.sin)).slice(5 * 4)).toEqual(await readData(part.sin));
  });

  test("may be empty", () => {
    const { cos, sin }: RopeTables = ropeTables({ headDim: 8, length: 0 });
    const shapes: (readonly number[])[] = [cos.shape, sin.shape];
    expect(shapes).toEqual([
      [0, 4],
      [0, 4],
    ]);
  });

  test("refuse odd heads and negative counts", () => {
    expect(() => ropeTables({ headDim: 5, length: 1 })).toThrow(
      "ropeTables: headDim is 5, expected a positive even number.",
    );
    expect(() => ropeTables({ headDim: 0, length: 1 })).toThrow("headDim is 0");
    expect(() => ropeTables({ headDim: 4, length: -1 })).toThrow("-1 positions from 0");
    expect(() => ropeTables({ headDim: 4, start: 0.5, length: 1 })).toThrow("1 positions from 0.5");
  });

  test("stay on the unit circle", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(100_000), async (start) => {
        const { cos, sin } = ropeTables({ headDim: 16, start, length: 2 });
        const [c, s] = [await readData(cos), await readData(sin)];
        c.forEach((x, i) => {
          expect(x * x + (s[i] as number) ** 2).toBeCloseTo(1, 5);
        });
      }),
      { numRuns: 20 },
    );
  });
});
