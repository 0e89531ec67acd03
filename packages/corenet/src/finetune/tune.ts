import type { Rng } from "@corenet/core";
import type { Tokenizer } from "@corenet/formats";
import type { CausalLm } from "@corenet/nn";
import type { TensorTree } from "@corenet/tensor";
import { cosineSchedule, type StepRecord, type TrainOptions, train } from "@corenet/train";
import { type AnswerBatch, answerBatches } from "./answer-batches.ts";
import { answerRows } from "./answer-rows.ts";
import type { AnswerExample } from "./read-examples.ts";
import { answerLoss, checkTeacher, type Teacher, teacherLogits } from "./teacher.ts";

/** Settings of every way to fine-tune. */
export interface TuningOptions
  extends Pick<TrainOptions<TensorTree, AnswerBatch>, "checkpoint" | "onProgress" | "signal"> {
  steps: number;
  /** @default 4 */
  batchSize?: number;
  /** At its peak. */
  learningRate?: number;
  /** Tokens of a row; longer examples are cut. @default the model's */
  contextLength?: number;
  /** Whether several examples share a row, each seeing itself alone. @default false */
  pack?: boolean;
  /** Teaches beside the targets. @default none */
  teacher?: Teacher;
  /** @default 0 */
  seed?: number;
  /** Called with the loss of each step, in nats a token. */
  onStep?: (step: number, loss: number) => void;
}

export interface Tuned {
  /** Examples that did not fit the context. */
  readonly dropped: number;
  /** How much of full rows of the context is no padding. */
  readonly fillRate: number;
  readonly history: readonly StepRecord[];
}

/** What is trained, and the model with it in place; `withParams` borrows. */
interface Tuning<P> {
  readonly params: P;
  withParams(params: P): CausalLm;
  readonly learningRate: number;
  readonly rng: Rng;
}

/**
 * Trains `params` on the answers of the examples, as the options say.
 *
 * @returns the trained parameters, the caller's
 * @throws RangeError when no example fits the context, an option is out of range, or the teacher has another vocabulary
 */
export async function tune<P extends TensorTree>(
  { params, withParams, learningRate: peak, rng }: Tuning<P>,
  model: CausalLm,
  tokenizer: Tokenizer,
  examples: readonly AnswerExample[],
  options: TuningOptions,
): Promise<Tuned & { readonly params: P }> {
  const { steps, batchSize = 4, contextLength = model.contextLength, pack, teacher } = options;
  const { onStep, checkpoint, onProgress, signal } = options;
  if (teacher) checkTeacher(teacher, model);
  const { rows, dropped, fillRate } = answerRows(examples, tokenizer, { contextLength, pack });
  const said = teacher && (await teacherLogits(teacher, rows, { signal, onProgress }));
  try {
    const trained = await train<P, AnswerBatch>({
      ...{ params, steps, rng: rng.split("train"), clip: 1, optimizer: { weightDecay: 0 } },
      loss: (current, batch) => answerLoss(withParams(current), batch, teacher),
      batches: answerBatches(rows, { batchSize, contextLength, rng: rng.split("batches"), teacher: said }),
      schedule: cosineSchedule({
        ...{ peak, min: peak / 10, total: steps },
        warmup: Math.min(100, Math.ceil(steps / 10)),
      }),
      ...(checkpoint ? { checkpoint } : {}),
      ...(onProgress ? { onProgress } : {}),
      ...(signal ? { signal } : {}),
      onStep: ({ step, loss }) => onStep?.(step, loss),
    });
    return { params: trained.params, history: trained.history, dropped, fillRate };
  } finally {
    await said?.close();
  }
}
