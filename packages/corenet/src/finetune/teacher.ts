import type { OnProgress } from "@corenet/core";
import { type CausalLm, crossEntropy, distillationLoss } from "@corenet/nn";
import {
  cacheTeacherLogits,
  openTeacherLogits,
  type PackedSample,
  type TeacherLogits,
  type TextSample,
} from "@corenet/openelm";
import { type Scalar, tidy } from "@corenet/tensor";
import type { AnswerBatch } from "./answer-batches.ts";
import { ignoreId } from "./answer-rows.ts";

/** A model whose words a student learns, beside the targets. */
export interface Teacher {
  /** Of the student's vocabulary; borrowed. */
  readonly model: CausalLm;
  /** @default 2 */
  readonly temperature?: number;
  /** The teacher's share of the loss, in (0, 1]. @default 0.5 */
  readonly alpha?: number;
  /** Asks the teacher once and keeps its largest logits in a file, which a later run uses. @default asked at every step */
  readonly cache?: { readonly file: string; readonly topK?: number };
}

/** @throws RangeError when teacher and student have different vocabularies */
export function checkTeacher({ model }: Teacher, student: CausalLm): void {
  if (model.vocabSize === student.vocabSize) return;
  throw new RangeError(
    `finetune: the teacher has ${model.vocabSize} words and the student ${student.vocabSize}, expected one vocabulary. ` +
      "Take a teacher with the same tokenizer.",
  );
}

/**
 * The file of a teacher's logits of these rows, made if it is not there.
 *
 * @throws CheckpointError when there is one of other rows
 */
export async function teacherLogits(
  { model, cache }: Teacher,
  rows: readonly (TextSample | PackedSample)[],
  { signal, onProgress }: { signal?: AbortSignal | undefined; onProgress?: OnProgress | undefined },
): Promise<TeacherLogits | undefined> {
  if (!cache) return undefined;
  const { file, topK } = cache;
  const { stat } = await import("node:fs/promises");
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    const options = { ignoreId, signal, onProgress, ...(topK === undefined ? {} : { topK }) };
    await cacheTeacherLogits(model, rows, file, options);
  }
  return openTeacherLogits(file, rows, { ignoreId });
}

/** The mean loss of the answers, in nats a token: of the targets, or of the teacher and the targets. */
export function answerLoss(student: CausalLm, batch: AnswerBatch, teacher?: Teacher): Scalar {
  const { tokens, targets, documents, taught } = batch;
  const reading = documents ? { documents } : {};
  return tidy(() => {
    if (!teacher) return crossEntropy(student.forward(tokens, reading), targets, { ignoreIndex: ignoreId });
    const { model, temperature = 2, alpha = 0.5 } = teacher;
    const said = taught ?? model.forward(tokens, reading); // before the student, whose pass is kept for the way back
    return distillationLoss(student.forward(tokens, reading), said, targets, {
      ...{ temperature, alpha, ignoreIndex: ignoreId },
    });
  });
}
