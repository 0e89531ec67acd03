// What every PackedMatrix keeps to. A format's own tests call `packedMatrixSuite` once.

import { linear } from "@corenet/nn";
import {
  matMul,
  memory,
  type PackedMatrix,
  readData,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  valueAndGrad,
} from "@corenet/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { oddSize } from "./arbitraries.ts";
import { expectNoLeak } from "./expect-no-leak.ts";
import { onEveryBackend } from "./on-every-backend.ts";

export interface PackedMatrixSuiteOptions {
  readonly format: string;
  /** Packs a float32 matrix [out, in], which it borrows. */
  pack(matrix: Tensor2D): Promise<PackedMatrix>;
  /** The largest error of a packed number, as a share of the largest number in the matrix. */
  readonly tolerance: number;
  /** How far rows of x may be rounded before they meet Wᵀ, as a share of their largest number. @default 0 */
  readonly inputTolerance?: number;
  /** Numbers that the format needs the columns to be a multiple of. @default 1 */
  readonly columnMultiple?: number;
}

/** Declares the suite on every backend. */
export function packedMatrixSuite(options: PackedMatrixSuiteOptions): void {
  const { format, pack, tolerance, inputTolerance = 0, columnMultiple = 1 } = options;
  const shapes = fc.record({
    rows: oddSize({ max: 33 }),
    columns: oddSize({ max: 33 }).map((n) => n * columnMultiple),
    seed: fc.nat(1000),
  });

  describe(`${format} is a PackedMatrix`, () => {
    onEveryBackend(() => {
      test("says its format, shape and size", async () => {
        const matrix = noise(6, 32 * columnMultiple, 1);
        const packed = await pack(matrix);
        expect([packed.format, packed.shape]).toEqual([format, matrix.shape]);
        expect(Number.isInteger(packed.byteLength) && packed.byteLength > 0).toBe(true);
        expect(packed.byteLength).toBeLessThanOrEqual(4 * matrix.size);
        packed.dispose();
      });

      test("unpacks rows in any order, close to what was packed", async () => {
        await fc.assert(
          fc.asyncProperty(
            shapes,
            fc.array(fc.nat(1000), { maxLength: 9 }),
            async ({ rows, columns, seed }, list) => {
              const matrix = noise(rows, columns, seed);
              const packed = await pack(matrix);
              const ids = list.map((id) => id % rows);
              const unpacked = packed.unpackRows(tensor(Int32Array.from(ids)));
              expect([unpacked.shape, unpacked.dtype]).toEqual([[ids.length, columns], "float32"]);
              const [saw, wanted] = [await readData(unpacked), await readData(matrix)];
              for (const [i, id] of ids.entries()) {
                for (let j = 0; j < columns; j++) {
                  const error = (saw[i * columns + j] as number) - (wanted[id * columns + j] as number);
                  expect(Math.abs(error)).toBeLessThanOrEqual(2 * tolerance + 1e-12);
                }
              }
              packed.dispose();
            },
          ),
          { numRuns: 20 },
        );
      });

      test("multiplies as the matrix that it unpacks to, both ways", async () => {
        const leads = fc.constantFrom<number[][]>([1], [3], [17], [2, 3], [1, 1], [2, 1, 4]);
        await fc.assert(
          fc.asyncProperty(shapes, leads, async ({ rows, columns, seed }, lead) => {
            const packed = await pack(noise(rows, columns, seed));
            const matrix = unpackAll(packed);
            const count = lead.reduce((n, side) => n * side, 1);
            const flat = (width: number) => noise(count, width, seed + 1);
            const shaped = async (width: number) => tensor(await readData(flat(width)), [...lead, width]);
            const near = { atol: 1e-5 * Math.max(rows, columns), rtol: 1e-4 };
            const rounding = 4 * columns * inputTolerance; // numbers are at most 2
            const y = packed.multiply(await shaped(columns));
            expect(y.shape).toEqual([...lead, rows]);
            await expect(y).toBeAllClose(
              await readData(matMul(flat(columns), matrix, { transposeB: true })),
              { ...near, atol: near.atol + rounding },
            );
            const back = packed.multiply(await shaped(rows), { transpose: true });
            expect(back.shape).toEqual([...lead, columns]);
            await expect(back).toBeAllClose(await readData(matMul(flat(rows), matrix)), near);
            packed.dispose();
          }),
          { numRuns: 20 },
        );
      });

      test("lets gradients through to x", async () => {
        const packed = await pack(noise(5, 3 * columnMultiple, 2));
        const matrix = unpackAll(packed);
        const x = noise(4, 3 * columnMultiple, 3);
        const { value, grads } = valueAndGrad((p: { x: Tensor }) => sum(linear(p.x, packed)), { x });
        const plain = valueAndGrad((p: { x: Tensor }) => sum(linear(p.x, matrix)), { x });
        await expect(value).toBeAllClose(plain.value, { atol: 1e-4 + 240 * columnMultiple * inputTolerance });
        await expect(grads.x).toBeAllClose(plain.grads.x, { atol: 1e-4 });
        packed.dispose();
      });

      test("zeros stay zeros", async () => {
        const packed = await pack(tensor(new Float32Array(2 * columnMultiple), [2, columnMultiple]));
        await expect(unpackAll(packed)).toBeAllClose(Array(2 * columnMultiple).fill(0), { atol: 0, rtol: 0 });
        packed.dispose();
      });

      test("refuses what does not fit", async () => {
        const packed = await pack(noise(4, 2 * columnMultiple, 1));
        const wide = noise(1, 2 * columnMultiple + 1, 1);
        expect(() => packed.multiply(wide)).toThrow(RangeError);
        expect(() => packed.multiply(wide, { transpose: true })).toThrow(RangeError);
        expect(() => packed.unpackRows(tensor(Int32Array.of(0, 4)))).toThrow(
          /\[1\] is 4, expected an integer in \[0, 4\)/,
        );
        expect(() => packed.unpackRows(tensor(Int32Array.of(-1)))).toThrow("is -1");
        expect(() => packed.unpackRows(tensor([0, 1]))).toThrow("float32, expected int32");
        packed.dispose();
      });

      test("borrows the matrix, leaks nothing, and is gone when disposed", async () => {
        const matrix = noise(3, 2 * columnMultiple, 1);
        const before = memory();
        const packed = await pack(matrix);
        expect(matrix.isDisposed).toBe(false);
        const [x, dy, ids] = [noise(2, 2 * columnMultiple, 1), noise(2, 3, 1), tensor(Int32Array.of(2, 0))];
        expectNoLeak(() => packed.multiply(x));
        expectNoLeak(() => packed.multiply(dy, { transpose: true }));
        expectNoLeak(() => packed.unpackRows(ids));
        packed.dispose();
        for (const one of [x, dy, ids]) one.dispose();
        expect(memory()).toEqual(before);
        expect(() => packed.multiply(matrix)).toThrow("disposed");
      });
    });
  });
}

/** [rows, columns] of numbers in [-2, 2]; the first is 2, so that every matrix has the same largest number. */
function noise(rows: number, columns: number, seed: number): Tensor2D {
  const values = Float32Array.from(
    { length: rows * columns },
    (_, i) => 2 * Math.sin((i + 1) * (seed + 1.37) * 12.9898),
  );
  if (values.length > 0) values[0] = 2;
  return tensor(values, [rows, columns]);
}

function unpackAll(packed: PackedMatrix): Tensor2D {
  return packed.unpackRows(tensor(Int32Array.from({ length: packed.shape[0] }, (_, row) => row)));
}
