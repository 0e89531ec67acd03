import { type Rng, ShapeError } from "@corenet/core";
import {
  isTensor,
  mapTree,
  type PackedMatrix,
  type ParamTree,
  range,
  sqrt,
  square,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
  treeEntries,
  zeros,
} from "@corenet/tensor";
import { normal, uniform } from "../initializers.ts";
import type { Weight } from "../linear.ts";
import {
  type EmbeddingAdapter,
  isEmbeddingAdapter,
  type LinearAdapter,
  type LoraParams,
  type LoraScaling,
  loraScale,
} from "./adapter.ts";
import { LoraWeight, mergedWeight } from "./lora-weight.ts";

export interface CreateLoraOptions {
  rank: number;
  rng: Rng;
  /** Which matrices are adapted, by their paths. @default all */
  targets?: (path: string) => boolean;
  /** Which of them are looked up by rows, and not multiplied by. @default paths that contain "embedding" */
  embeddings?: (path: string) => boolean;
  /** Which linear weights get a magnitude (DoRA). @default none */
  dora?: (path: string) => boolean;
}

/**
 * Fresh adapters, which change nothing yet: for a linear weight A uniform in ±1/√in and B zero, for an embedding A zero
 * and B standard normal. The caller owns them.
 *
 * @param params - the model's parameters
 * @throws RangeError when the rank is not a positive integer, or no matrix is a target
 */
export function createLora(params: ParamTree, options: CreateLoraOptions): LoraParams {
  const { rank, rng, targets = () => true } = options;
  const { embeddings = (path) => path.includes("embedding"), dora = () => false } = options;
  if (!(Number.isInteger(rank) && rank >= 1)) {
    throw new RangeError(`createLora: rank is ${rank}, expected an integer of at least 1.`);
  }
  const adapters: Record<string, LinearAdapter | EmbeddingAdapter> = {};
  for (const [path, leaf] of treeEntries(params)) {
    if (leaf.shape.length !== 2 || !targets(path)) continue;
    const weight = leaf as Weight;
    const [outputs, inputs] = weight.shape as readonly [number, number];
    const draw = rng.split(path);
    adapters[path] = embeddings(path)
      ? {
          embeddingA: zeros<Tensor2D>([rank, outputs]),
          embeddingB: normal<Tensor2D>(draw, [inputs, rank], { std: 1 }),
        }
      : {
          loraA: uniform<Tensor2D>(draw, [rank, inputs], { bound: inputs ** -0.5 }),
          loraB: zeros<Tensor2D>([outputs, rank]),
          ...(dora(path) ? { magnitude: rowNorms(weight) } : {}),
        };
  }
  if (Object.keys(adapters).length === 0) {
    throw new RangeError(
      "createLora: no matrix is a target, expected one at least. Look at the paths of the tree.",
    );
  }
  return adapters;
}

/**
 * The parameters with adapters on: a tree for `withParams`. It borrows both, and owns nothing.
 *
 * @example const loss = (lora) => crossEntropy(model.withParams(applyLora(model.params, lora, scaling)).forward(x), y);
 * @throws RangeError when an adapter's path is not a matrix of the tree
 * @throws ShapeError when an adapter does not fit its matrix
 */
export function applyLora(params: ParamTree, lora: LoraParams, scaling: LoraScaling): ParamTree {
  const scale = loraScale(scaling);
  const left = new Set(Object.keys(lora));
  const adapted = mapTree<Tensor | PackedMatrix, Tensor | PackedMatrix>(params, (leaf, path) => {
    const adapter = lora[path];
    if (!adapter) return leaf;
    left.delete(path);
    checkAdapter(path, leaf.shape, adapter);
    return new LoraWeight(leaf as Weight, adapter, scale);
  });
  if (left.size === 0) return adapted;
  throw new RangeError(
    `applyLora: there is no parameter ${[...left].join(", ")}. Was the adapter made for another model?`,
  );
}

/**
 * The parameters with the adapters added into the weights: new float32 matrices, which the caller owns, in place of
 * the adapted ones; the others are the tree's own.
 *
 * @throws RangeError when an embedding is adapted and `untied` does not say that the head is a matrix of its own:
 *   merging would change the head too
 */
export function mergeLora(
  params: ParamTree,
  lora: LoraParams,
  scaling: LoraScaling,
  options: { untied?: boolean } = {},
): ParamTree {
  const embedding = Object.entries(lora).find(([, adapter]) => isEmbeddingAdapter(adapter))?.[0];
  if (embedding !== undefined && !options.untied) {
    throw new RangeError(
      `mergeLora: ${embedding} is adapted for lookups alone, and the head of a tied model reads the same matrix, so a ` +
        "merged model would differ. Untie the model first, and pass { untied: true }.",
    );
  }
  const adapted = applyLora(params, lora, scaling);
  return mapTree<Tensor | PackedMatrix, Tensor | PackedMatrix>(adapted as never, (leaf) =>
    leaf instanceof LoraWeight ? mergedWeight(leaf) : leaf,
  );
}

function checkAdapter(
  path: string,
  shape: readonly number[],
  adapter: LinearAdapter | EmbeddingAdapter,
): void {
  const [outputs, inputs] = shape;
  const [a, b] = isEmbeddingAdapter(adapter)
    ? [adapter.embeddingA, adapter.embeddingB]
    : [adapter.loraA, adapter.loraB];
  const [columns, rows] = isEmbeddingAdapter(adapter) ? [outputs, inputs] : [inputs, outputs];
  const fits =
    shape.length === 2 && a.shape[1] === columns && b.shape[0] === rows && a.shape[0] === b.shape[1];
  if (fits) return;
  throw new ShapeError(
    `applyLora: ${path} is [${shape}] and its adapter [${a.shape}] and [${b.shape}], expected [r, ${columns}] and ` +
      `[${rows}, r]. Was it made for another model?`,
  );
}

function rowNorms(weight: Weight): Tensor1D {
  return tidy(() => {
    const rows = isTensor(weight) ? weight : weight.unpackRows(range(0, weight.shape[0]));
    return sqrt(sum(square(rows), { axis: 1 })) as Tensor1D;
  });
}
