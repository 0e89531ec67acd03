import { Rng } from "@corenet/core";
import type { Tokenizer } from "@corenet/formats";
import { applyLora, createLora, type LoraParams, type LoraScaling } from "@corenet/nn";
import type { OpenElm } from "@corenet/openelm";
import { disposeTree, type ParamTree, type TensorTree } from "@corenet/tensor";
import { matchPaths } from "@corenet/train";
import type { AnswerExample } from "./read-examples.ts";
import { type Tuned, type TuningOptions, tune } from "./tune.ts";

export interface LoraTuningOptions extends TuningOptions {
  /** @default 16 */
  rank?: number;
  /** @default twice the rank */
  alpha?: number;
  /** Whether linear weights get a magnitude (DoRA). @default false */
  dora?: boolean;
  /** What gets no adapters, as `freeze` of @corenet/train names it. @default nothing */
  frozen?: readonly string[];
}

export interface TunedLora extends Tuned {
  /** The caller's. */
  readonly lora: LoraParams;
  readonly scaling: LoraScaling;
}

/**
 * Trains adapters on questions and answers: the answers alone are predicted. The model's own weights stay as they are,
 * packed or not; a checkpoint folder resumes to the bit. The learning rate is 3e-4 unless said.
 *
 * @throws RangeError when no example fits the context, or an option is out of range
 * @see Hu et al. 2021, arXiv:2106.09685
 */
export async function finetuneLora(
  model: OpenElm,
  tokenizer: Tokenizer,
  examples: readonly AnswerExample[],
  options: LoraTuningOptions,
): Promise<TunedLora> {
  const { rank = 16, alpha = 2 * rank, dora = false, learningRate = 3e-4, seed = 0, frozen = [] } = options;
  const rng = new Rng(seed);
  const scaling = { rank, alpha };
  const isFrozen = matchPaths("finetune", frozen, model.params);
  // The head of a tied model must stay what it is, so the embedding is left alone.
  const targets = (path: string) =>
    !path.includes("embedding") && !path.includes("classifier") && !isFrozen(path);
  const fresh = createLora(model.params, { rank, rng: rng.split("lora"), targets, dora: () => dora });
  try {
    const { params, ...tuned } = await tune<TensorTree>(
      {
        ...{ params: fresh as TensorTree, learningRate, rng },
        withParams: (lora) => model.withParams(applyLora(model.params, lora as LoraParams, scaling)),
      },
      ...([model, tokenizer, examples, options] as const),
    );
    return { ...tuned, lora: params as LoraParams, scaling };
  } finally {
    disposeTree(fresh as ParamTree);
  }
}
