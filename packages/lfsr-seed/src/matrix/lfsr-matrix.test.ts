import { matMul, readData, slice, sum, type Tensor2D, takeData, tensor, valueAndGrad } from "@corenet/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectNoLeak, onEveryBackend } from "../../../../tools/testing/index.ts";
import { packedMatrixSuite } from "../../../../tools/testing/packed-matrix-suite.ts";
import { type RandomCodesOptions, randomCodes } from "../../test/random-codes.ts";
import { decodeTensor } from "../codec/decode.ts";
import { encodeTensor } from "../codec/encode-tensor.ts";
import type { LfsrTensor } from "../codec/lfsr-tensor.ts";
import { lfsrMatMul } from "./lfsr-mat-mul.ts";
import { LfsrMatrix, type LfsrMode } from "./lfsr-matrix.ts";
import { packPayload, unpackPayload } from "./payload.ts";

const modes: readonly LfsrMode[] = ["fused", "lazy", "eager"];

/** The three with a name, and what only the path for any configuration takes: other taps, odd P, many seeds, few, decimated. */
const configs: readonly RandomCodesOptions[] = [
  { bits: 4 },
  { bits: 3 },
  { bits: 4.5 },
  { bits: 4, decimation: 8 },
  { C: 8, P: 3, K: 16, taps: 0x2d },
  { C: 5, P: 1, K: 9 },
  { C: 7, P: 2, K: 20 },
  { C: 10, P: 5, K: 16 },
  { C: 4, P: 2, K: 8 },
];
const nameOf = ({ bits, C, P, K, taps, decimation }: RandomCodesOptions) =>
  `${bits ?? `(${C}, ${P}, ${K})`}${taps ? ` taps ${taps}` : ""}${decimation ? ` d=${decimation}` : ""}`;
const named = configs.map((options) => [nameOf(options), options] as const);

const noise = (rows: number, columns: number, seed = 1): Tensor2D =>
  tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin((i + 1) * (seed + 1.37) * 12.9898)),
    [rows, columns],
  );

/** x [T, n] · Wᵀ, or x · W, in float64, and for each result the sum of the magnitudes of its terms. */
async function exactProduct(x: Tensor2D, codes: LfsrTensor, transpose: boolean) {
  const [rows, columns] = codes.shape as [number, number];
  const [W, values, T] = [decodeTensor(codes), await readData(x), x.shape[0]];
  const [inner, outer] = transpose ? [rows, columns] : [columns, rows];
  const product = new Float64Array(T * outer);
  const magnitude = new Float64Array(T * outer);
  for (let t = 0; t < T; t++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const [from, to] = transpose ? [row, column] : [column, row];
        const term = (values[t * inner + from] as number) * (W[row * columns + column] as number);
        product[t * outer + to] = (product[t * outer + to] as number) + term;
        magnitude[t * outer + to] = (magnitude[t * outer + to] as number) + Math.abs(term);
      }
    }
  }
  return { product, magnitude };
}

/** x · Wᵀ as the backend multiplies float32. */
async function denseProduct(x: Tensor2D, codes: LfsrTensor): Promise<{ product: Float64Array }> {
  const W = tensor(decodeTensor(codes), codes.shape as [number, number]);
  return { product: Float64Array.from(await takeData(matMul(x, W, { transposeB: true }))) };
}

/** Largest error in the rows of a product that are known, as a share of their root mean square. */
async function relativeError(y: Tensor2D, { product }: { product: Float64Array }): Promise<number> {
  const saw = await readData(y);
  const known = Math.min(saw.length, product.length);
  let worst = 0;
  let squares = 0;
  for (let i = 0; i < known; i++) {
    worst = Math.max(worst, Math.abs((saw[i] as number) - (product[i] as number)));
    squares += (product[i] as number) ** 2;
  }
  return worst / Math.sqrt(squares / known);
}

packedMatrixSuite({
  format: "lfsr",
  pack: async (matrix) => {
    const codes = await encodeTensor(await readData(matrix), matrix.shape, { bits: 4.5 });
    return LfsrMatrix.create(codes);
  },
  tolerance: 0.4, // five times the usual error: a block may have all of its own in one number
  columnMultiple: 8,
});

test.each(named)("%s: a payload comes back as it was", (_, options) => {
  for (const layout of ["rows", "flat"] as const) {
    for (const [rows, columns] of [
      [1, 1],
      [3, 17],
      [8, 40],
      [13, 41],
      [70, 36],
      [5, 0],
    ] as const) {
      const codes = randomCodes(rows, columns, { ...options, layout });
      expect(unpackPayload(packPayload(codes))).toEqual(codes);
    }
  }
});

onEveryBackend((backend) => {
  test.each([3, 4, 4.5] as const)("%s bits: every seed gives the weights of the decoder", async (bits) => {
    const { C } = randomCodes(1, 1, { bits }).config;
    const codes = randomCodes(256, 256 * C, { bits });
    codes.seeds.set(Uint16Array.from({ length: 65535 }, (_, i) => i + 1));
    using matrix = await LfsrMatrix.create(codes);
    const rows = Int32Array.from({ length: 256 }, (_, i) => i);
    expect(await readData(matrix.unpackRows(tensor(rows)))).toEqual(decodeTensor(codes));
  });

  describe.each(named)("%s", (_, options) => {
    test("unpacks to the very bits of the decoder, in both layouts", async () => {
      for (const layout of ["rows", "flat"] as const) {
        for (const [rows, columns] of [
          [1, 1],
          [3, 17],
          [8, 40],
          [13, 41],
          [33, 120],
        ] as const) {
          const codes = randomCodes(rows, columns, { ...options, layout, seed: rows });
          using matrix = await LfsrMatrix.create(codes);
          const ids = Int32Array.from({ length: rows }, (_, i) => (i * 7) % rows);
          const saw = await readData(matrix.unpackRows(tensor(ids)));
          const W = decodeTensor(codes);
          ids.forEach((id, i) => {
            const [row, wanted] = [
              saw.subarray(i * columns, (i + 1) * columns),
              W.subarray(id * columns, (id + 1) * columns),
            ];
            expect(row, `row ${id} of ${rows} x ${columns}, ${layout}`).toEqual(wanted);
          });
        }
      }
    });

    test.each(modes)("%s multiplies as the decoded matrix, both ways", async (mode) => {
      const sizes = fc.record({
        rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 190, max: 230 })),
        columns: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constantFrom(120, 240, 300)),
        T: fc.constantFrom(1, 2, 3, 8, 13),
        layout: fc.constantFrom("rows" as const, "flat" as const),
        seed: fc.nat(100),
      });
      await fc.assert(
        fc.asyncProperty(sizes, async ({ rows, columns, T, layout, seed }) => {
          const codes = randomCodes(rows, columns, { ...options, layout, seed });
          using matrix = await LfsrMatrix.create(codes, { mode });
          for (const transpose of [false, true]) {
            const x = noise(T, transpose ? rows : columns, seed);
            const { product, magnitude } = await exactProduct(x, codes, transpose);
            const saw = await readData(matrix.multiply(x, { transpose }));
            const spread = Math.max(...magnitude);
            product.forEach((p, i) => {
              expect(Math.abs((saw[i] as number) - p)).toBeLessThanOrEqual(1e-5 * spread);
            });
          }
        }),
        { numRuns: backend === "webgpu" ? 5 : 12, interruptAfterTimeLimit: 30_000 },
      );
    });
  });

  test.skipIf(backend === "cpu").each([
    [4, 4096],
    [4, 4100],
    [3, 4096],
    [3, 4100],
    [3, 11008],
    [4.5, 11008],
  ] as const)(
    "%d bits, width %d: within 1e-5 of the product with the decoded weights",
    async (bits, width) => {
      for (const layout of ["rows", "flat"] as const) {
        const codes = randomCodes(backend === "webgpu" ? 24 : 200, width, { bits, layout });
        const all = noise(64, width);
        const exact = await exactProduct(slice(all, [0, 0], [2, width]), codes, false);
        for (const mode of ["fused", "lazy"] as const) {
          using matrix = await LfsrMatrix.create(codes, { mode });
          for (const T of backend === "webgpu" ? [1, 3, 8] : [1, 3, 8, 64]) {
            const y = lfsrMatMul(slice(all, [0, 0], [T, width]), matrix) as Tensor2D;
            // A GPU's own sum of so many terms is no better: there many rows are compared with its dense product.
            const isOwn = backend === "webgpu" && T > 4;
            const wanted = isOwn ? await denseProduct(slice(all, [0, 0], [T, width]), codes) : exact;
            const error = await relativeError(y, wanted);
            expect(error, `${layout} ${mode} ${T}`).toBeLessThan(1e-5);
          }
        }
      }
    },
  );

  test("gradients reach x through lfsrMatMul", async () => {
    const codes = randomCodes(19, 24);
    const W = tensor(decodeTensor(codes), [19, 24]);
    for (const mode of modes) {
      using matrix = await LfsrMatrix.create(codes, { mode });
      for (const transpose of [false, true]) {
        const x = noise(2, transpose ? 19 : 24);
        const { grads } = valueAndGrad((p: { x: Tensor2D }) => sum(lfsrMatMul(p.x, matrix, { transpose })), {
          x,
        });
        const ones = tensor(new Float32Array(2 * (transpose ? 24 : 19)).fill(1), [2, transpose ? 24 : 19]);
        await expect(grads.x).toBeAllClose(
          await readData(lfsrMatMul(ones, matrix, { transpose: !transpose })),
          { atol: 1e-4 },
        );
      }
    }
    W.dispose();
  });

  test("says what it occupies", async () => {
    const codes = randomCodes(256, 512);
    using packed = await LfsrMatrix.create(codes);
    expect(packed.byteLength).toBe(64 + (256 * 512) / 2);
    using eager = await LfsrMatrix.create(codes, { mode: "eager" });
    expect(eager.byteLength).toBe(packed.byteLength + 4 * 256 * 512);
  });

  test("gives its codes back", async () => {
    const codes = randomCodes(13, 41, { bits: 3, layout: "flat" });
    using matrix = await LfsrMatrix.create(codes);
    expect(await matrix.toLfsrTensor()).toEqual(codes);
  });

  test("an empty matrix multiplies to nothing", async () => {
    const codes = randomCodes(0, 8);
    using matrix = await LfsrMatrix.create(codes);
    expect(matrix.multiply(noise(2, 8)).shape).toEqual([2, 0]);
    await expect(matrix.multiply(tensor(new Float32Array(0), [2, 0]), { transpose: true })).toBeAllClose(
      Array(16).fill(0),
    );
  });

  test("refuses what is no matrix", async () => {
    const codes = { ...randomCodes(2, 8), shape: [2, 4, 2] };
    await expect(LfsrMatrix.create(codes)).rejects.toThrow("the tensor is [2,4,2], expected two axes");
    await expect(LfsrMatrix.create(randomCodes(2, 8), { mode: "quick" as LfsrMode })).rejects.toThrow(
      "mode is quick, expected fused, lazy or eager",
    );
  });

  test("leaves nothing behind", async () => {
    const codes = randomCodes(200, 128);
    using matrix = await LfsrMatrix.create(codes);
    const x = noise(1, 128);
    expectNoLeak(() => matrix.multiply(x));
    await expectNoLeak(async () => {
      using eager = await LfsrMatrix.create(codes, { mode: "eager" });
      eager.multiply(x).dispose();
    });
  });
});
