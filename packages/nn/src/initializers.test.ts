import { Rng } from "@corenet/core";
import { readData, type Tensor2D, type Tensor3D } from "@corenet/tensor";
import { expect, test } from "vitest";
import { onEveryBackend } from "../../../tools/testing/index.ts";
import { normal, unitGain } from "./initializers.ts";

onEveryBackend(() => {
  test("normal has the mean and deviation it was asked for", async () => {
    const values = await readData(normal<Tensor2D>(new Rng(3), [300, 400], { std: 0.02 }));
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const std = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    expect(Math.abs(mean)).toBeLessThan(0.02 * 0.02);
    expect(Math.abs(std / 0.02 - 1)).toBeLessThan(0.02);
  });

  test("one seed gives one matrix", async () => {
    const draw = (seed: number) => readData(normal<Tensor3D>(new Rng(seed), [2, 3, 4], { std: 1 }));
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
  });

  test("the numbers are the same on every backend and machine", async () => {
    const values = await readData(normal<Tensor2D>(new Rng(1), [1, 4], { std: 0.5 }));
    expect(values).toEqual(new Rng(1).fillNormal(new Float32Array(4), { std: 0.5 }));
  });

  test("unitGain is ones", async () => {
    await expect(unitGain([3])).toBeAllClose([1, 1, 1]);
  });
});
