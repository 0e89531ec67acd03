import { Rng } from "@corenet/core";
import { isTensor, memory, readData, type Tensor, type TensorTree, treeEntries } from "@corenet/tensor";
import { describe, expect, test } from "vitest";
import { loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { type OpenElmName, openElmConfig } from "./config.ts";
import { countParameters, createParameters, parameterShapes } from "./parameters.ts";

interface GoldenModel {
  readonly rows: [name: string, published: string, shape: number[], std: number][];
  readonly parameters: Record<string, number>;
  readonly tensors: number;
  readonly num_query_heads: number[];
  readonly ffn_dims: number[];
}
const models: Record<string, GoldenModel> = (await loadGolden("openelm/shapes")).json.models;
const names: [OpenElmName, string][] = [
  ["270M", "OpenELM-270M"],
  ["450M", "OpenELM-450M"],
  ["1.1B", "OpenELM-1_1B"],
  ["3B", "OpenELM-3B"],
];

describe("the published models", () => {
  test.each(names)("%s has the reference's names and shapes, in its order", (name, golden) => {
    const { rows } = models[golden] as GoldenModel;
    const expected = rows.map(([path, , shape]) => ({ path, shape }));
    expect(parameterShapes(openElmConfig(name, { vocabSize: 32128 }))).toEqual(expected);
    expect(rows.map(([path, published]) => published === `transformer.${path}`)).not.toContain(false);
  });

  test.each(names)("%s has the reference's number of weights", (name, golden) => {
    const { parameters, tensors } = models[golden] as GoldenModel;
    const before = memory().numTensors;
    expect(countParameters(openElmConfig(name))).toBe(parameters["vocab 32000"]);
    expect(countParameters(openElmConfig(name, { vocabSize: 32128 }))).toBe(parameters["vocab 32128"]);
    expect(parameterShapes(openElmConfig(name)).length).toBe(tensors);
    expect(memory().numTensors).toBe(before); // nothing was allocated
  });

  test.each([
    ["270M", 312_487_168],
    ["450M", 506_331_136],
    ["1.1B", 1_145_427_456],
    ["3B", 3_134_951_424],
  ] as const)("%s untied has %d", (name, count) => {
    const untied = { ...openElmConfig(name), tied: false };
    expect(countParameters(untied)).toBe(count);
    const last = parameterShapes(untied).at(-1);
    expect(last).toEqual({ path: "classifier.weight", shape: [32000, untied.modelDim] });
  });
});

const config = openElmConfig({
  numLayers: 2,
  modelDim: 256,
  headDim: 32,
  groupSize: 2,
  qkvMultipliers: [0.9, 1.5],
  ffnMultipliers: [0.9, 2],
  ffnDivisor: 32,
  vocabSize: 256,
  tied: false,
});

onEveryBackend(() => {
  test("fresh parameters have every path and shape", async () => {
    const params = await createParameters(config, new Rng(1));
    const actual = Array.from(treeEntries(params as TensorTree), ([path, leaf]) => ({
      path,
      shape: leaf.shape,
    }));
    expect(actual).toEqual(parameterShapes(config));
  });

  test("have the deviations of the reference", async () => {
    const params = await createParameters(config, new Rng(1));
    const [std, residual] = [256 ** -0.5, 256 ** -0.5 * 4 ** -0.5];
    let compared = 0;
    for (const [path, leaf] of treeEntries(params as TensorTree)) {
      const values = await readData(leaf);
      if (path.includes("norm")) {
        expect(values.every((x) => x === 1)).toBe(true);
        continue;
      }
      expect(values.length).toBeGreaterThanOrEqual(50_000);
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      const spread = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
      const expected = /out_proj|proj_2/.test(path) ? residual : std;
      expect(Math.abs(spread / expected - 1), path).toBeLessThan(0.02);
      expect(Math.abs(mean), path).toBeLessThan(0.02 * expected);
      compared += 1;
    }
    expect(compared).toBe(2 + 2 * 4);
  });

  test("one seed gives one tree; no two matrices of it are equal", async () => {
    const small = openElmConfig({
      ...config.scaling,
      modelDim: 8,
      headDim: 4,
      ffnDivisor: 4,
      vocabSize: 5,
      qkvMultipliers: 1,
      ffnMultipliers: 1,
    });
    const read = async (seed: number) => {
      const entries = treeEntries((await createParameters(small, new Rng(seed))) as TensorTree);
      return Promise.all(Array.from(entries, async ([, leaf]) => [...(await readData(leaf as Tensor))]));
    };
    const [first, again, other] = [await read(1), await read(1), await read(2)];
    expect(first).toEqual(again);
    expect(first[0]).not.toEqual(other[0]);
    expect(first[1]?.slice(0, 8)).not.toEqual(first[0]?.slice(0, 8));
  });

  test("all are tensors of the caller's", async () => {
    const params = await createParameters(config, new Rng(1));
    for (const [, leaf] of treeEntries(params as TensorTree)) expect(isTensor(leaf)).toBe(true);
  });
});
