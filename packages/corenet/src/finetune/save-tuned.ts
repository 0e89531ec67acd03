import { mergeLora } from "@corenet/nn";
import { OpenElm, type OpenElmParams, saveLora, saveOpenElm } from "@corenet/openelm";
import { disposeTree, type ParamTree } from "@corenet/tensor";
import type { LanguageModel } from "../model/open-language-model.ts";
import { finetuneLora, type LoraTuningOptions } from "./finetune-lora.ts";
import { finetuneWeights, type WeightTuningOptions } from "./finetune-weights.ts";
import type { AnswerExample } from "./read-examples.ts";
import type { Tuned } from "./tune.ts";

/** What was trained, and the folder of a whole model, where one was written. */
export interface Saved extends Tuned {
  readonly model?: string;
}

/**
 * Trains adapters and writes them as PEFT does; with `merge` a whole model, too, in `model` within.
 *
 * @throws IoError when they cannot be written; else as `finetuneLora`
 */
export async function saveTunedLora(
  { model, tokenizer }: LanguageModel,
  examples: readonly AnswerExample[],
  out: string,
  { from, merge, ...options }: LoraTuningOptions & { from: string; merge: boolean },
): Promise<Saved> {
  const { lora, scaling, ...tuned } = await finetuneLora(model, tokenizer, examples, options);
  const writing = options.signal ? { signal: options.signal } : {};
  try {
    await saveLora(lora, scaling, out, { baseModel: from, ...writing });
    if (!merge) return tuned;
    const merged = mergeLora(model.params, lora, scaling) as OpenElmParams;
    const folder = `${out}/model`;
    await saveOpenElm(new OpenElm(merged, model.config), folder, writing);
    return { ...tuned, model: folder };
  } finally {
    disposeTree(lora as ParamTree);
  }
}

/**
 * Trains the weights and writes the whole model in `model` within: float32, so that what was frozen is the same to the bit.
 *
 * @throws IoError when it cannot be written; else as `finetuneWeights`
 */
export async function saveTunedWeights(
  { model, tokenizer }: LanguageModel,
  examples: readonly AnswerExample[],
  out: string,
  options: WeightTuningOptions,
): Promise<Saved> {
  const { weights, model: trained, ...tuned } = await finetuneWeights(model, tokenizer, examples, options);
  const writing = options.signal ? { signal: options.signal } : {};
  try {
    const folder = `${out}/model`;
    await saveOpenElm(trained, folder, writing);
    return { ...tuned, model: folder };
  } finally {
    disposeTree(weights);
  }
}
