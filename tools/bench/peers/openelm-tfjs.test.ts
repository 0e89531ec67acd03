import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-wasm";
import { fileURLToPath } from "node:url";
import { fileSource, openSafetensors, toFloat32 } from "@corenet/formats";
import { beforeAll, describe, expect, test } from "vitest";
import { stockKit } from "./openelm-stock.ts";
import { createVariables, evaluate, listVariables, OpenElmTraining } from "./openelm-tfjs.ts";
import { tunedKit } from "./openelm-tuned.ts";
import { type Checkpoint, type OpenElmShape, parameterShapes, type TokenBatch } from "./openelm-workload.ts";
import { registerTfjsGradients } from "./tfjs-gradients.ts";

const tiny: OpenElmShape = {
  vocab: 97,
  dim: 48,
  headDim: 16,
  numQueryHeads: [2, 4, 4, 6],
  numKvHeads: [1, 2, 2, 3],
  ffnDims: [24, 40, 56, 72],
};
const PADDING = 96;

let golden: Checkpoint;
let goldenGrads: Checkpoint;
let goldenTrain: Checkpoint;
beforeAll(async () => {
  await registerTfjsGradients();
  await tf.setBackend("wasm");
  [golden, goldenGrads, goldenTrain] = await Promise.all([load("tiny"), load("tiny-grad"), load("train")]);
});

/** Every tensor of a golden file as float32. */
async function load(name: string): Promise<Checkpoint> {
  const path = fileURLToPath(new URL(`../../../golden/openelm/${name}.safetensors`, import.meta.url));
  const file = await openSafetensors(await fileSource(path));
  const tensors: Checkpoint = {};
  for (const [key, info] of file.tensors) {
    tensors[key] = { shape: info.shape, values: toFloat32(info.dtype, await file.read(key)) };
  }
  await file.close();
  return tensors;
}

/** The tensors whose name starts with `prefix`, without it. */
function strip(tensors: Checkpoint, prefix: string): Checkpoint {
  const entries = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, array]) => [name.slice(prefix.length), array]));
}

function valuesOf(tensors: Checkpoint, name: string): Float32Array {
  const found = tensors[name];
  if (!found) throw new RangeError(`valuesOf: no ${name} in ${Object.keys(tensors).join(", ")}.`);
  return found.values;
}

/** Targets that are padding are ignored. */
function batchOf(batch: number, tokens: Float32Array, targets: Float32Array): TokenBatch {
  return {
    batch,
    length: tokens.length / batch,
    tokens: Int32Array.from(tokens),
    targets: Int32Array.from(targets, (target) => (target === PADDING ? -1 : target)),
  };
}

function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce(
    (largest, value, i) => Math.max(largest, Math.abs(value - (expected[i] ?? Number.NaN))),
    0,
  );
}

test("names the parameters as the golden checkpoint does", () => {
  const shapes = Object.entries(strip(golden, "param.")).map(([name, array]) => [name, array.shape]);
  expect(Object.fromEntries(shapes)).toEqual(parameterShapes(tiny));
});

describe.each([
  ["stock", stockKit],
  ["tuned", tunedKit],
])("the %s writing", (_, kit) => {
  test("gives the reference's logits, losses and every gradient", () => {
    const variables = createVariables(strip(golden, "param."), tiny);
    const data = batchOf(2, valuesOf(golden, "input.tokens"), valuesOf(golden, "input.targets"));
    const { logits, losses, total, grads } = evaluate(variables, tiny, data, kit);
    const ce = valuesOf(golden, "output.ce_loss")[0] ?? Number.NaN;
    const z = valuesOf(golden, "output.z_loss_corrected")[0] ?? Number.NaN;
    expect(largestDifference(logits.dataSync(), valuesOf(golden, "output.logits"))).toBeLessThan(2e-5);
    expect(losses.ce.dataSync()[0]).toBeCloseTo(ce, 5);
    expect(losses.z.dataSync()[0]).toBeCloseTo(z, 6);
    expect(total.dataSync()[0]).toBeCloseTo(ce + z, 5);

    const wanted = listVariables(createVariables(strip(goldenGrads, "grad."), tiny)); // laid out as the variables are
    const differences = listVariables(variables).map(([path, variable], i) => {
      const [wantedPath, gradient] = wanted[i] ?? [];
      expect(path).toBe(wantedPath);
      return largestDifference(grads[variable.name]?.dataSync() ?? [], gradient?.dataSync() ?? []);
    });
    expect(differences.length).toBe(46);
    expect(Math.max(...differences)).toBeLessThan(1e-4);
  });

  test("trains as the reference does for 20 steps, and leaks nothing", async () => {
    const training = new OpenElmTraining(strip(golden, "param."), tiny, kit);
    const tokens = valuesOf(goldenTrain, "input.tokens"); // [20, 2, 14]
    const normsOff: number[] = [];
    const lossesOff: number[] = [];
    const counts = new Set<number>();
    for (let step = 0; step < 20; step++) {
      const rows = [0, 1].map((row) => tokens.subarray((step * 2 + row) * 14, (step * 2 + row + 1) * 14));
      const inputs = Float32Array.from(rows.flatMap((row) => [...row.subarray(0, 13)]));
      const targets = Float32Array.from(rows.flatMap((row) => [...row.subarray(1)]));
      const data = batchOf(2, inputs, targets);
      const learningRate = valuesOf(goldenTrain, "output.lr")[step] ?? Number.NaN;
      const { loss, gradNorm } = await training.step(data, { learningRate });
      counts.add(tf.memory().numTensors);

      const ignored = data.targets.filter((target) => target < 0).length;
      const constant = (1e-4 * Math.log(97) ** 2 * ignored) / (26 - ignored); // the reference's bug: see section 9.2
      const expected = (valuesOf(goldenTrain, "output.total_loss")[step] ?? Number.NaN) - constant;
      lossesOff.push(Math.abs(loss - expected));
      normsOff.push(Math.abs(gradNorm / (valuesOf(goldenTrain, "output.grad_norm")[step] ?? Number.NaN) - 1));
    }
    expect(Math.max(...lossesOff)).toBeLessThan(1e-3);
    expect(Math.max(...normsOff)).toBeLessThan(1e-3);
    expect(counts.size).toBe(1);
    training.dispose();
  });
});
