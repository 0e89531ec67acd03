import type { Tokenizer } from "@corenet/formats";
import { answerSample, type PackedSample, packDocuments, type TextSample } from "@corenet/openelm";
import type { AnswerExample } from "./read-examples.ts";

export interface AnswerRows {
  /** Of any lengths up to the context; all of its length where examples share rows. */
  readonly rows: readonly (TextSample | PackedSample)[];
  /** Examples that did not fit the context. */
  readonly dropped: number;
  /** How much of full rows of the context is no padding. */
  readonly fillRate: number;
}

export interface AnswerRowsOptions {
  /** Tokens of a row. */
  contextLength: number;
  /** Whether several examples share a row. @default false */
  pack?: boolean | undefined;
}

/** Stands in targets where nothing is to be predicted. */
export const ignoreId = -100;

/**
 * Examples as rows to learn from: each with its prompt, of which nothing is predicted.
 *
 * @throws RangeError when no example fits the context
 */
export function answerRows(
  examples: readonly AnswerExample[],
  tokenizer: Tokenizer,
  { contextLength, pack = false }: AnswerRowsOptions,
): AnswerRows {
  const padId = tokenizer.eosId ?? 0;
  const samples = examples
    .map(({ prompt, answer }) =>
      answerSample(prompt, answer, tokenizer, { contextLength, padId, ignoreId, padded: false }),
    )
    .filter((sample) => sample !== null);
  if (samples.length === 0) {
    throw new RangeError(
      `finetune: none of ${examples.length} examples fits ${contextLength} tokens, expected one at least. ` +
        "Shorten the prompts or raise the context.",
    );
  }
  const dropped = examples.length - samples.length;
  if (pack) return { ...packDocuments(samples, { contextLength, ignoreId, padId }), dropped };
  const used = samples.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return { rows: samples, dropped, fillRate: used / (samples.length * contextLength) };
}
