// A model of OpenELM-270M's shape with random weights, the same in every process: speed does not depend on them.
import { Rng } from "@corenet/core";
import { OpenElm, type OpenElmParams, openElmConfig, parameterShapes } from "@corenet/openelm";
import {
  type MatrixFormat,
  ones,
  type PackedMatrix,
  packMatrix,
  type Tensor,
  type Tensor2D,
  tensor,
} from "@corenet/tensor";
import { buildParameters } from "../src/parameters.ts";

const BLOCK = 2 ** 20; // numbers; a matrix is cut out of repetitions of them

/** @param format - how matrices are kept, `f32` as tensors */
export async function createRandomModel(format: MatrixFormat): Promise<OpenElm> {
  const config = openElmConfig("270M");
  const rng = new Rng(1);
  const block = Float32Array.from({ length: BLOCK }, () => rng.normal());
  const leaves = new Map<string, Tensor | PackedMatrix>();
  for (const [i, { path, shape }] of parameterShapes(config).entries()) {
    const [rows = 0, columns] = shape;
    if (columns === undefined) {
      leaves.set(path, ones([rows]));
      continue;
    }
    const std = config.modelDim ** -0.5;
    const values = new Float32Array(rows * columns);
    for (let j = 0; j < values.length; j++) values[j] = std * (block[(j + 7919 * i) % BLOCK] as number);
    const matrix: Tensor2D = tensor(values, [rows, columns]);
    leaves.set(path, format === "f32" ? matrix : await packMatrix(matrix, format));
    if (format !== "f32") matrix.dispose();
  }
  const take = (path: string) => leaves.get(path);
  return new OpenElm(buildParameters(config, { matrix: take, gain: take }) as OpenElmParams, config);
}
