// Instructions and their answers as training samples.
import type { Tokenizer } from "@corenet/formats";
import type { TextSample } from "./text-samples.ts";

/** A task, what it is about, and how it shall be answered. */
export interface Instruction {
  readonly instruction: string;
  readonly input?: string;
  readonly output: string;
}

const indent = "\n                "; // in front of every line after the first: an artefact of the reference, kept

/**
 * The reference's prompt for fine-tuning, up to where the answer begins.
 *
 * @see apple/corenet, data/datasets/language_modeling/commonsense_170k.py
 */
export function instructionPrompt({ instruction, input = "" }: Omit<Instruction, "output">): string {
  const head =
    input === ""
      ? "Below is an instruction that describes a task. Write a response that appropriately completes the request.  "
      : "Below is an instruction that describes a task, paired with an input that provides further context. " +
        "Write a response that appropriately completes the request. ";
  const parts = [["### Instruction:", instruction], ...(input === "" ? [] : [["### Input:", input]])];
  const sections = parts.map(([title, text]) => `${title}${indent}${text}${indent}${indent}`).join("");
  return `${head}\n${indent}${sections}### Response:${indent}`;
}

export interface AnswerSampleOptions {
  /** Tokens of a sample. */
  contextLength: number;
  /** Fills short samples. @default the vocabulary's size, as the reference */
  padId?: number;
  /** Whether short samples are filled; `packDocuments` needs none. @default true */
  padded?: boolean;
  /** Stands where nothing is to be predicted. @default padId */
  ignoreId?: number;
  /** Whether the prompt is to be predicted too, as the reference has it. @default false */
  predictPrompt?: boolean;
}

/**
 * A prompt and its answer as one sample: bos, prompt, answer, eos. The answer alone is predicted, and eos.
 *
 * @returns null where not even one token of the answer fits
 */
export function answerSample(
  prompt: string,
  answer: string,
  tokenizer: Tokenizer,
  options: AnswerSampleOptions,
): TextSample | null {
  const { contextLength, padId = tokenizer.vocabSize, padded = true, predictPrompt = false } = options;
  const { ignoreId = padId } = options;
  const front = tokenizer.bosId === undefined ? [] : [tokenizer.bosId];
  const back = tokenizer.eosId === undefined ? [] : [tokenizer.eosId];
  const whole = [...front, ...tokenizer.encode(prompt + answer), ...back];
  const given = front.length + tokenizer.encode(prompt).length;
  if (given > contextLength) return null;
  const row = new Int32Array(padded ? contextLength + 1 : Math.min(whole.length, contextLength + 1)).fill(
    padId,
  );
  row.set(whole.slice(0, row.length));
  const targets = row.slice(1).fill(ignoreId, Math.max(0, whole.length - 1));
  if (!predictPrompt) targets.fill(ignoreId, 0, Math.max(0, given - 1));
  return { tokens: row.slice(0, -1), targets };
}
