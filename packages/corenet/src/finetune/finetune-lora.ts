import { Rng } from "@corenet/core";
import type { Tokenizer } from "@corenet/formats";
import { applyLora, createLora, crossEntropy, type LoraParams, type LoraScaling } from "@corenet/nn";
import { answerSample, type OpenElm } from "@corenet/openelm";
import { disposeTree, type ParamTree, type TensorTree, tidy } from "@corenet/tensor";
import { cosineSchedule, type StepRecord, type TrainOptions, train } from "@corenet/train";
import type { TextBatch } from "../text/window-batches.ts";
import { answerBatches } from "./answer-batches.ts";
import type { AnswerExample } from "./read-examples.ts";

export interface FinetuneOptions
  extends Pick<TrainOptions<TensorTree, TextBatch>, "checkpoint" | "onProgress" | "signal"> {
  /** @default 16 */
  rank?: number;
  /** @default twice the rank */
  alpha?: number;
  /** Whether linear weights get a magnitude (DoRA). @default false */
  dora?: boolean;
  steps: number;
  /** @default 4 */
  batchSize?: number;
  /** @default 3e-4 */
  learningRate?: number;
  /** Tokens of a sample; longer ones are cut. @default the model's */
  contextLength?: number;
  /** @default 0 */
  seed?: number;
  /** Called with the loss of each step, in nats a token. */
  onStep?: (step: number, loss: number) => void;
}

export interface Finetuned {
  /** The caller's. */
  readonly lora: LoraParams;
  readonly scaling: LoraScaling;
  /** Examples that did not fit the context. */
  readonly dropped: number;
  readonly history: readonly StepRecord[];
}

const ignoreId = -100;

/**
 * Trains adapters on questions and answers: the answers alone are predicted. The model's own weights stay as they are,
 * packed or not; a checkpoint folder resumes to the bit.
 *
 * @throws RangeError when no example fits the context, or an option is out of range
 * @see Hu et al. 2021, arXiv:2106.09685
 */
export async function finetuneLora(
  model: OpenElm,
  tokenizer: Tokenizer,
  examples: readonly AnswerExample[],
  options: FinetuneOptions,
): Promise<Finetuned> {
  const { rank = 16, alpha = 2 * rank, dora = false, steps, batchSize = 4, learningRate = 3e-4 } = options;
  const { contextLength = model.contextLength, seed = 0, onStep, checkpoint, onProgress, signal } = options;
  const rng = new Rng(seed);
  const padId = tokenizer.eosId ?? 0;
  const samples = examples
    .map(({ prompt, answer }) => answerSample(prompt, answer, tokenizer, { contextLength, padId, ignoreId }))
    .filter((sample) => sample !== null);
  if (samples.length === 0) {
    throw new RangeError(
      `finetuneLora: none of ${examples.length} examples fits ${contextLength} tokens, expected one at least. ` +
        "Shorten the prompts or raise the context.",
    );
  }
  const scaling = { rank, alpha };
  // The head of a tied model must stay what it is, so the embedding is left alone.
  const targets = (path: string) => !path.includes("embedding") && !path.includes("classifier");
  const fresh = createLora(model.params, { rank, rng: rng.split("lora"), targets, dora: () => dora });
  try {
    const { params, history } = await train<TensorTree, TextBatch>({
      ...{ params: fresh as TensorTree, steps, rng: rng.split("train"), clip: 1 },
      loss: (lora, { tokens, targets: wanted }) =>
        tidy(() => {
          const adapted = model.withParams(applyLora(model.params, lora as LoraParams, scaling));
          return crossEntropy(adapted.forward(tokens), wanted, { ignoreIndex: ignoreId });
        }),
      batches: answerBatches(samples, { batchSize, ignoreId, rng: rng.split("batches") }),
      optimizer: { weightDecay: 0 },
      schedule: cosineSchedule({
        ...{ peak: learningRate, min: learningRate / 10, total: steps },
        warmup: Math.min(100, Math.ceil(steps / 10)),
      }),
      ...(checkpoint ? { checkpoint } : {}),
      ...(onProgress ? { onProgress } : {}),
      ...(signal ? { signal } : {}),
      onStep: ({ step, loss }) => onStep?.(step, loss),
    });
    return { lora: params as LoraParams, scaling, dropped: examples.length - samples.length, history };
  } finally {
    disposeTree(fresh as ParamTree);
  }
}
