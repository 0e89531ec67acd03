import { Rng } from "@corenet/core";
import type { Tokenizer } from "@corenet/formats";
import type { OpenElm } from "@corenet/openelm";
import {
  clone,
  disposeTree,
  isTensor,
  mapTree,
  type PackedMatrix,
  type ParamTree,
  range,
  type Tensor,
  treeEntries,
} from "@corenet/tensor";
import { matchPaths } from "@corenet/train";
import type { AnswerExample } from "./read-examples.ts";
import { type Tuned, type TuningOptions, tune } from "./tune.ts";

export interface WeightTuningOptions extends TuningOptions {
  /** What is not trained, as `freeze` of @corenet/train names it. @default nothing */
  frozen?: readonly string[];
}

export interface TunedWeights extends Tuned {
  /** What was trained, by path; the caller's. */
  readonly weights: Readonly<Record<string, Tensor>>;
  /** The model with it: borrows the weights and the rest of the given model. */
  readonly model: OpenElm;
}

/**
 * Trains a model's own weights on questions and answers. What is frozen takes no gradient, no moments and no activations
 * that only it would need, and may stay packed; the rest is unpacked to float32. The learning rate is 2e-5 unless said.
 *
 * @throws RangeError when nothing is left to train, no example fits the context, or an option is out of range
 */
export async function finetuneWeights(
  model: OpenElm,
  tokenizer: Tokenizer,
  examples: readonly AnswerExample[],
  options: WeightTuningOptions,
): Promise<TunedWeights> {
  const { learningRate = 2e-5, seed = 0, frozen = [] } = options;
  const start = unpacked(model.params, matchPaths("finetune", frozen, model.params));
  if (Object.keys(start).length === 0) {
    throw new RangeError(
      `finetune: all weights are frozen by ${frozen.join(", ")}, expected something to train. Freeze less.`,
    );
  }
  try {
    const { params: weights, ...tuned } = await tune<Record<string, Tensor>>(
      {
        params: start,
        withParams: (weights) => withWeights(model, weights),
        learningRate,
        rng: new Rng(seed),
      },
      ...([model, tokenizer, examples, options] as const),
    );
    return { ...tuned, weights, model: withWeights(model, weights) };
  } finally {
    disposeTree(start);
  }
}

/** The weights that are not frozen, as float32, by path. */
function unpacked(params: ParamTree, isFrozen: (path: string) => boolean): Record<string, Tensor> {
  const weights: Record<string, Tensor> = {};
  for (const [path, leaf] of treeEntries<Tensor | PackedMatrix>(params)) {
    if (isFrozen(path)) continue;
    if (isTensor(leaf)) weights[path] = clone(leaf);
    else {
      const ids = range(0, leaf.shape[0]);
      weights[path] = leaf.unpackRows(ids);
      ids.dispose();
    }
  }
  return weights;
}

function withWeights(model: OpenElm, weights: Readonly<Record<string, Tensor>>): OpenElm {
  return model.withParams(mapTree(model.params, (leaf: Tensor, path: string) => weights[path] ?? leaf));
}
