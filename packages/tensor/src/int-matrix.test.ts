import { quantizeRows } from "@corenet/core/quantize";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectNoLeak, onBackend, onEveryBackend } from "../../../tools/testing/index.ts";
import { IntMatrix } from "./int-matrix.ts";
import { tensor } from "./ops/create.ts";
import { packMatrix } from "./pack-matrix.ts";
import { packingError } from "./packing-error.ts";

const values = Float32Array.from({ length: 3 * 64 }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 7)));

onEveryBackend(() => {
  test.each([
    ["int8", 8.5, 0.005],
    ["int4", 4.5, 0.1],
    ["bf16", 16, 0.003],
    ["f32", 32, 0],
  ] as const)("%s takes %d bits a number, and says what it cost", async (format, bits, relative) => {
    const matrix = tensor(values, [3, 64]);
    const error = await packingError(matrix, await packMatrix(matrix, format));
    expect(error.bitsPerNumber).toBeCloseTo(bits, 0);
    expect(error.relative).toBeLessThanOrEqual(relative);
    expect(error.largest).toBeLessThanOrEqual(7 * 3 * relative);
    if (format !== "f32") expect(error.relative).toBeGreaterThan(relative / 20);
  });
});

test("packing error of zeros is none, of another shape a mistake", async () => {
  const zeros = tensor(new Float32Array(64), [2, 32]);
  const packed = await packMatrix(zeros, "int4");
  expect(await packingError(zeros, packed)).toMatchObject({ largest: 0, relative: 0 });
  await expect(packingError(tensor(new Float32Array(32), [1, 32]), packed)).rejects.toThrow(
    "expected [2, 32]",
  );
});

test("says which arrays do not fit, and which formats there are", async () => {
  const good = quantizeRows(values, { rows: 3, columns: 64, format: "int4" });
  const bad = { ...good, scales: good.scales.subarray(1) };
  await expect(IntMatrix.create(bad)).rejects.toThrow(
    "got 2 groups a row, 96 bytes and 5 scales for int4 [3, 64], expected 2, 96 and 6",
  );
  const format = "int3" as "int4";
  await expect(packMatrix(tensor(values, [3, 64]), format)).rejects.toThrow(
    "is int3, expected f32, f16, bf16, int8 or int4",
  );
  const broken = tensor(values.with(70, Number.NaN), [3, 64]);
  await expect(packMatrix(broken, "int8")).rejects.toThrow("number [1, 6] is NaN");
});

async function* inPieces(numbers: Float32Array, sizes: readonly number[]): AsyncGenerator<Float32Array> {
  let at = 0;
  for (let i = 0; at < numbers.length; i++) {
    const size = 1 + (sizes[i % sizes.length] as number);
    yield numbers.slice(at, at + size);
    at += size;
  }
}

onBackend("wasm", () => {
  test("a matrix in pieces of any size is quantized as at once", async () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70 }));
    const sizes = fc.array(fc.nat(200), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        shape,
        sizes,
        fc.constantFrom("int8", "int4"),
        async ([rows, columns], cuts, format) => {
          const numbers = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * i + 1));
          using matrix = await IntMatrix.quantize(inPieces(numbers, cuts), [rows, columns], format);
          expect(await matrix.toQuantizedRows()).toEqual(quantizeRows(numbers, { rows, columns, format }));
        },
      ),
      { numRuns: 60 },
    );
    const large = Float32Array.from({ length: 40 * 2500 }, (_, i) => Math.sin(i)); // more than a block
    using matrix = await IntMatrix.quantize(inPieces(large, [99_990]), [40, 2500], "int4");
    expect(await matrix.toQuantizedRows()).toEqual(
      quantizeRows(large, { rows: 40, columns: 2500, format: "int4" }),
    );
  });

  test("pieces that are no matrix of the shape leave nothing behind", async () => {
    await expectNoLeak(async () => {
      const quantize = (count: number) =>
        IntMatrix.quantize(inPieces(new Float32Array(count), [50]), [3, 64], "int8");
      await expect(quantize(191)).rejects.toThrow("got 191 numbers for [3, 64], expected 192");
      await expect(quantize(193)).rejects.toThrow("numbers or more for [3, 64], expected 192");
      const broken = inPieces(values.with(70, Number.NaN), [63]);
      await expect(IntMatrix.quantize(broken, [3, 64], "int8")).rejects.toThrow("number [1, 6] is NaN");
    });
  });
});
