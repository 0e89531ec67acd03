import { Rng } from "@corenet/core";
import { linear } from "@corenet/nn";
import { memory, readData, type Tensor2D, tensor } from "@corenet/tensor";
import { expect, test } from "vitest";
import { onEveryBackend } from "../../../../tools/testing/index.ts";
import { randomCodes } from "../../test/random-codes.ts";
import { LfsrMatrix } from "../matrix/lfsr-matrix.ts";
import { observeInputs } from "./observe-inputs.ts";

const normal = (rows: number, columns: number, seed: number) =>
  tensor(new Rng(seed).fillNormal(new Float32Array(rows * columns)), [rows, columns]);

onEveryBackend(() => {
  test("the mean square of each input of a matrix, over all that it was multiplied with; products stay the same", async () => {
    const params = {
      up: { weight: normal(6, 4, 1) },
      gain: tensor([1, 2, 3, 4]),
      down: { weight: normal(4, 6, 2) },
    };
    using observed = observeInputs(params);
    const { up, gain } = observed.params as typeof params;
    expect(gain).toBe(params.gain);

    const x = tensor([
      [1, 2, 3, 4],
      [3, 0, -1, 2],
    ]);
    const y = tensor([[[-2, 1, 0, 0]]]);
    expect(await readData(linear(x, up.weight))).toEqual(await readData(linear(x, params.up.weight)));
    linear(y, up.weight);
    const means = await observed.meanSquares();
    expect([...means.keys()]).toEqual(["up.weight"]); // down met nothing
    const wanted = [(1 + 9 + 4) / 3, (4 + 0 + 1) / 3, (9 + 1) / 3, (16 + 4) / 3];
    for (const [i, mean] of (means.get("up.weight") ?? []).entries())
      expect(mean).toBeCloseTo(wanted[i] as number, 5);
  });

  test("packed matrices are observed as they are; the way back, and rows that are looked up, count for nothing", async () => {
    using packed = await LfsrMatrix.create(randomCodes(24, 16, { bits: 4 }));
    using observed = observeInputs({ head: packed });
    const { head } = observed.params as { head: LfsrMatrix };
    head.unpackRows(tensor(Int32Array.of(1, 2)));
    head.multiply(normal(2, 24, 3), { transpose: true });
    expect((await observed.meanSquares()).size).toBe(0);
    const x = normal(5, 16, 4);
    expect(await readData(head.multiply(x) as Tensor2D)).toEqual(
      await readData(packed.multiply(x) as Tensor2D),
    );
    const values = await readData(x);
    const mean =
      Array.from({ length: 5 }, (_, t) => (values[t * 16 + 3] as number) ** 2).reduce((a, b) => a + b) / 5;
    expect((await observed.meanSquares()).get("head")?.[3]).toBeCloseTo(mean, 5);
  });

  test("gives back what it took, and leaves the matrices", async () => {
    const weight = normal(8, 8, 5);
    const before = memory().numTensors;
    const observed = observeInputs({ weight });
    const y = linear(normal(2, 8, 6), (observed.params as { weight: Tensor2D }).weight);
    y.dispose();
    observed.dispose();
    expect(memory().numTensors).toBeLessThanOrEqual(before + 1); // the vectors
    expect((await readData(weight)).length).toBe(64);
  });
});
