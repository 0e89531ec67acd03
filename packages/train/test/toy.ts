// A small model to train in tests: two layers, noise drawn in the loss, batches drawn from a generator.
import { Rng, type RngState } from "@corenet/core";
import {
  add,
  matMul,
  mean,
  readData,
  square,
  sub,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  tanh,
  tensor,
  treeEntries,
} from "@corenet/tensor";
import type { BatchSource, LossContext } from "../src/index.ts";

export interface ToyParams {
  readonly [name: string]: TensorTree;
  readonly layers: { readonly weight: Tensor2D; readonly bias: Tensor }[];
}

export interface ToyBatch {
  readonly x: Tensor2D;
  readonly y: Tensor2D;
}

const sizes = [3, 13, 1] as const;

export function toyParams(seed = 1): ToyParams {
  const rng = new Rng(seed);
  const layer = (inputs: number, outputs: number) => ({
    weight: tensor(rng.fillNormal(new Float32Array(inputs * outputs), { std: inputs ** -0.5 }), [
      outputs,
      inputs,
    ] as const),
    bias: tensor(new Float32Array(outputs)),
  });
  return { layers: [layer(sizes[0], sizes[1]), layer(sizes[1], sizes[2])] };
}

/** Mean squared error, with noise on the inputs as in dropout. */
export function toyLoss(params: ToyParams, { x, y }: ToyBatch, { rng }: Pick<LossContext, "rng">): Tensor {
  const noise = tensor(rng.fillNormal(new Float32Array(x.size), { std: 0.01 }), x.shape);
  let hidden: Tensor = add(x, noise);
  for (const [i, { weight, bias }] of params.layers.entries()) {
    const linear = add(matMul(hidden, weight, { transposeB: true }), bias);
    hidden = i === 0 ? tanh(linear) : linear;
  }
  return mean(square(sub(hidden, y)));
}

/** y = sin(x₀) + x₁x₂ at random points, endlessly. */
export function toyBatches(seed = 7, batchSize = 8): BatchSource<ToyBatch> & { position(): number } {
  let rng = new Rng(seed);
  let drawn = 0;
  return {
    async next() {
      drawn += 1;
      const points = Array.from(
        { length: batchSize },
        () => [rng.normal(), rng.normal(), rng.normal()] as const,
      );
      const targets = points.map(([a, b, c]) => Math.sin(a) + b * c);
      return { x: tensor(points), y: tensor(targets, [batchSize, 1]) };
    },
    save: () => JSON.stringify({ rng: rng.save(), drawn }),
    restore(saved) {
      const state: { rng: RngState; drawn: number } = JSON.parse(String(saved));
      rng = Rng.restore(state.rng);
      drawn = state.drawn;
    },
    position: () => drawn,
  };
}

/** Every number of a tree, to compare to the bit. */
export async function bitsOf(tree: TensorTree): Promise<Record<string, number[]>> {
  const all: Record<string, number[]> = {};
  for (const [path, leaf] of treeEntries<Tensor>(tree)) {
    all[path] = Array.from(new Uint32Array((await readData(leaf)).buffer));
  }
  return all;
}
