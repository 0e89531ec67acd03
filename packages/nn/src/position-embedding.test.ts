import { mul, readData, sum, type Tensor2D, tensor, valueAndGrad } from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expectGradient, expectNoLeak, loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { type PositionInterpolation, positionEmbedding } from "./position-embedding.ts";

const golden = await loadGolden("clip/positions");
const list = (columns: number) => ({ rows: 1, columns });
const square = (side: number) => ({ rows: side, columns: side });
const modes: PositionInterpolation[] = ["bilinear", "bicubic", "flattened"];

/** A table [rows · columns, 1] of f(row, column). */
function tableOf(rows: number, columns: number, f: (row: number, column: number) => number): Tensor2D {
  return tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => f(Math.floor(i / columns), i % columns)),
    [rows * columns, 1],
  ) as Tensor2D;
}

onEveryBackend(() => {
  test("gives the same grid its own table, to the bit", async () => {
    const table = golden.tensor("param.table") as Tensor2D;
    for (const interpolation of modes) {
      const y = positionEmbedding(table, { from: square(14), to: square(14), interpolation });
      await expect(y).toBeAllClose(table, { atol: 0, rtol: 0 });
    }
  });

  test.each(modes)("%s: constants stay, for any two grids", async (interpolation) => {
    const grid = fc.record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 9 }) });
    await fc.assert(
      fc.asyncProperty(grid, grid, async (from, to) => {
        const table = tableOf(from.rows, from.columns, () => 3);
        const y = positionEmbedding(table, { from, to, interpolation });
        await expect(y).toBeAllClose(new Array(to.rows * to.columns).fill(3));
      }),
      { numRuns: 25 },
    );
  });

  test("halves and doubles by hand", async () => {
    const table = tableOf(2, 2, (row, column) => 10 * row + column);
    const options = { from: square(2), interpolation: "bilinear" } as const;
    await expect(positionEmbedding(table, { ...options, to: square(1) })).toBeAllClose([[5.5]]);
    const wide = positionEmbedding(table, { ...options, to: { rows: 2, columns: 4 } });
    await expect(wide).toBeAllClose([[0], [0.25], [0.75], [1], [10], [10.25], [10.75], [11]]);
  });

  test("bicubic follows the formula of Keys with a = -0.75, by hand", async () => {
    // [1 2 3 4] to 2: taps at 0.5 are [-3/32, 19/32, 19/32, -3/32]; to 8, the first lies at -0.25.
    const table = tensor([[1], [2], [3], [4]]);
    const options = { from: list(4), interpolation: "bicubic" } as const;
    const half = [1, 1, 2, 3, 2, 3, 4, 4].map((x) => x / 32);
    const taps = (x: number[]) =>
      -3 * (x[0] as number) + 19 * ((x[1] as number) + (x[2] as number)) - 3 * (x[3] as number);
    const expected = [taps(half.slice(0, 4)), taps(half.slice(4))];
    await expect(positionEmbedding(table, { ...options, to: list(2) })).toBeAllClose(expected);
    const doubled = await readData(positionEmbedding(table, { ...options, to: list(8) }));
    // at -0.25: floor -1, fraction 0.75; taps 1.75, 0.75, 0.25, 1.25 on places -2, -1, 0, 1, of which three are the first
    const last = -0.75 * (1.25 ** 3 - 5 * 1.25 ** 2 + 8 * 1.25 - 4);
    expect(doubled[0]).toBeCloseTo(1 + last, 5);
    expect(doubled[7]).toBeCloseTo(4 - last, 5); // the mirror image
  });

  test("bilinear and bicubic follow a slope inside the grid", async () => {
    const table = tableOf(6, 6, (row, column) => 2 * row - column);
    for (const interpolation of ["bilinear", "bicubic"] as const) {
      const y = await readData(positionEmbedding(table, { from: square(6), to: square(12), interpolation }));
      for (const i of [4, 5, 6, 7]) {
        for (const j of [4, 5, 6, 7]) {
          const at = (k: number) => (k + 0.5) / 2 - 0.5;
          if (interpolation === "bilinear") expect(y[i * 12 + j]).toBeCloseTo(2 * at(i) - at(j), 4);
          else expect(Math.abs((y[i * 12 + j] as number) - (2 * at(i) - at(j)))).toBeLessThan(0.15);
        }
      }
    }
  });

  test("flattened: matches the reference at every length", async () => {
    const table = golden.tensor("param.table") as Tensor2D;
    for (const N of [1, 16, 64, 196, 256, 400]) {
      const y = positionEmbedding(table, { from: square(14), to: list(N), interpolation: "flattened" });
      await expect(y).toBeAllClose(golden.tensor(`output.${N}`), { atol: 2e-4 });
    }
    for (const N of [1, 2, 3, 4, 5, 8]) {
      const toy = tensor([[1], [2], [3], [4]]);
      const y = positionEmbedding(toy, { from: square(2), to: list(N), interpolation: "flattened" });
      await expect(y).toBeAllClose(Array.from(golden.tensors.get(`output.toy.${N}`)?.data ?? []));
    }
  });

  test("flattened: matches the reference's gradient", async () => {
    const params = { table: golden.tensor("param.table") as Tensor2D };
    for (const N of [16, 256]) {
      const weights = tensor(
        Float32Array.from({ length: N * 4 }, (_, i) => Math.cos(i)),
        [N, 4],
      );
      const loss = (p: typeof params) =>
        sum(
          mul(
            positionEmbedding(p.table, { from: square(14), to: list(N), interpolation: "flattened" }),
            weights,
          ),
        );
      const { grads } = valueAndGrad(loss, params);
      await expect(grads.table).toBeAllClose(golden.tensor(`grad.${N}`), { atol: 2e-4 });
    }
  });

  test("gradients go back by the same shares", async () => {
    const params = { table: tableOf(3, 2, (row, column) => Math.sin(3 * row + column)) };
    for (const interpolation of modes) {
      const options = { from: { rows: 3, columns: 2 }, to: { rows: 2, columns: 5 }, interpolation };
      await expectGradient((p: typeof params) => positionEmbedding(p.table, options), params);
    }
  });

  test("says what does not fit", () => {
    const rows = tensor([[1], [2], [3], [4]]);
    expect(() => positionEmbedding(rows, { from: square(3), to: square(2) })).toThrow(
      "positionEmbedding: table has shape [4, 1], expected [9, 1]. It needs a row for each patch",
    );
    expect(() => positionEmbedding(rows, { from: square(2), to: { rows: 0, columns: 2 } })).toThrow(
      "`to` is 0 x 2 patches, expected positive integers",
    );
    const wrong = "nearest" as "bilinear";
    expect(() => positionEmbedding(rows, { from: square(2), to: square(2), interpolation: wrong })).toThrow(
      'interpolation is "nearest", expected "bilinear", "bicubic" or "flattened"',
    );
  });

  test("frees its intermediates", () => {
    const table = tensor([[1], [2], [3], [4]]);
    for (const side of [2, 3]) {
      expectNoLeak(() => positionEmbedding(table, { from: square(2), to: square(side) }));
    }
  });
});
