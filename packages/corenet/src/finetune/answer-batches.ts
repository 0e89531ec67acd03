import type { Rng } from "@corenet/core";
import type { DocumentStarts } from "@corenet/nn";
import type { PackedSample, SampleLogits, TeacherLogits, TextSample } from "@corenet/openelm";
import { type Tensor3D, tensor } from "@corenet/tensor";
import type { BatchSource, Json } from "@corenet/train";
import type { TextBatch } from "../text/window-batches.ts";
import { ignoreId } from "./answer-rows.ts";

const multiple = 16; // of a batch's length: few different shapes

/** Rows to learn answers from. */
export interface AnswerBatch extends TextBatch {
  /** Where the examples of each row begin, where they share rows. */
  readonly documents?: DocumentStarts;
  /** What a teacher said of each place, where a file has it: both [B, T, K]. */
  readonly taught?: { readonly logits: Tensor3D; readonly ids: Tensor3D };
}

export interface AnswerBatchesOptions {
  batchSize: number;
  /** A batch is never longer. */
  contextLength: number;
  rng: Rng;
  /** The logits of a teacher, for each row. */
  teacher?: TeacherLogits | undefined;
}

/**
 * Endless batches of rows, each once an epoch in an order drawn anew. A batch is as long as its longest row needs.
 *
 * @param rows - of any lengths, packed or not
 * @throws RangeError when there are no rows
 */
export function answerBatches(
  rows: readonly (TextSample | PackedSample)[],
  { batchSize: B, contextLength, rng, teacher }: AnswerBatchesOptions,
): BatchSource<AnswerBatch> {
  if (rows.length === 0) {
    throw new RangeError(
      "answerBatches: got no rows, expected one at least. Raise the context or check the data.",
    );
  }
  const used = rows.map(({ targets }) => 1 + targets.findLastIndex((id) => id !== ignoreId));
  const orderOf = (epoch: number) => rng.split(epoch).shuffle(Array.from(rows.keys()));
  let position = 0; // in rows, over all epochs
  let order = { epoch: 0, indices: orderOf(0) };

  function next(): number {
    const epoch = Math.floor(position / rows.length);
    if (epoch !== order.epoch) order = { epoch, indices: orderOf(epoch) };
    const index = order.indices[position % rows.length] as number;
    position += 1;
    return index;
  }

  return {
    async next() {
      const indices = Array.from({ length: B }, next);
      const taught = teacher && (await Promise.all(indices.map((index) => teacher.read(index))));
      const longest = Math.max(...indices.map((index) => used[index] as number));
      const T = Math.min(contextLength, Math.ceil(longest / multiple) * multiple);
      const batch = indices.map((index) => rows[index] as TextSample | PackedSample);
      return batchOf(batch, T, taught && { samples: taught, topK: teacher.topK });
    },
    save: (): Json => ({ position }),
    restore(saved) {
      const stored =
        typeof saved === "object" && saved !== null && "position" in saved ? saved.position : undefined;
      if (!Number.isSafeInteger(stored)) {
        throw new TypeError(
          `answerBatches: got the position ${JSON.stringify(saved)}, expected { position }. Pass what save() returned.`,
        );
      }
      position = Number(stored);
      const epoch = Math.floor(position / rows.length);
      order = { epoch, indices: orderOf(epoch) };
    },
  };
}

/** Rows side by side [B, T], cut or filled: what is cut has no targets, and fillings neither. */
function batchOf(
  rows: readonly (TextSample | PackedSample)[],
  T: number,
  taught?: { samples: readonly SampleLogits[]; topK: number },
): AnswerBatch {
  const B = rows.length;
  const tokens = new Int32Array(B * T);
  const targets = new Int32Array(B * T).fill(ignoreId);
  rows.forEach((row, b) => {
    tokens.set(row.tokens.subarray(0, T), b * T);
    targets.set(row.targets.subarray(0, T), b * T);
  });
  const documents = rows.map((row) =>
    "documents" in row ? row.documents.filter((start) => start < T) : [0],
  );
  const isPacked = documents.some((starts) => starts.length > 1);
  const ids = { tokens: tensor(tokens, [B, T], "int32"), targets: tensor(targets, [B, T], "int32") };
  const packed = isPacked ? { documents } : {};
  if (!taught) return { ...ids, ...packed };
  const { samples, topK: K } = taught;
  const logits = new Float32Array(B * T * K);
  const words = new Int32Array(B * T * K);
  samples.forEach((sample, b) => {
    logits.set(sample.logits.subarray(0, T * K), b * T * K);
    words.set(sample.ids.subarray(0, T * K), b * T * K);
  });
  const shape = [B, T, K] as const;
  return { ...ids, ...packed, taught: { logits: tensor(logits, shape), ids: tensor(words, shape, "int32") } };
}
