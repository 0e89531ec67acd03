import { readFile } from "node:fs/promises";
import { wasm } from "@corenet/backend-wasm";
import { FormatError, type OnProgress } from "@corenet/core";
import {
  type Accuracy,
  type ChoiceExample,
  type ChoiceResult,
  scoreMultipleChoice,
  scoreText,
} from "@corenet/nn";
import { useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import type { LanguageModel } from "../model/open-language-model.ts";
import { writeText } from "../run/write-text.ts";
import { workLine } from "../terminal/work-line.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { modelFiles, modelOption, modelOptions } from "./model-options.ts";
import { openForWork } from "./open-for-work.ts";
import { checkOptions, commonOptions, integerOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  ...modelOptions,
  text: { type: "string", valueHint: "FILE", description: "Perplexity and bits per byte of this text." },
  task: {
    type: "string",
    valueHint: "FILE",
    description: 'Multiple choice, a question a line: {"context": "…", "choices": ["…", "…"], "answer": 0}.',
  },
  "few-shot": { type: "string", valueHint: "N", description: "Solved questions in front of each. 0." },
  stride: {
    type: "string",
    valueHint: "N",
    description: "Of a text: tokens that are scored a window. All of it.",
  },
  resume: {
    type: "string",
    valueHint: "FILE",
    description: "Of a task: results are added here, and what is there already is not asked again.",
  },
  json: { type: "boolean", description: "Print the scores as JSON." },
  ...commonOptions,
} as const;

/** The command that says how well a model predicts. */
export const scoreCommand = defineCommand({
  meta: {
    name: "score",
    description: "Perplexity of a text, or multiple choice as lm-evaluation-harness has it.",
  },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args);
    const { text, task } = args;
    if ((text === undefined) === (task === undefined)) {
      throw new UsageError("got --text and --task both or neither, expected one: --text=FILE.");
    }
    const stride = integerOption("stride", args.stride);
    const numFewShot = integerOption("few-shot", args["few-shot"]) ?? 0;
    const examples = task === undefined ? [] : parseTask(await readFile(task, "utf8"), task);

    await useBackend(wasm());
    await interruptible(async (signal) => {
      using opened = await openForWork(from, { ...modelFiles(args), signal });
      const line = workLine(process.stderr);
      const work = { signal, onProgress: line.onProgress };
      const scored = await (text === undefined
        ? scoreTask(opened, examples, { ...work, numFewShot, resume: args.resume })
        : scoreFile(opened, text, { ...work, ...(stride === undefined ? {} : { stride }) })
      ).finally(() => line.clear());
      process.stdout.write(args.json ? `${JSON.stringify(scored.json)}\n` : scored.table);
    }).catch((error) => {
      if (error instanceof Interrupted && task !== undefined) {
        const kept = args.resume
          ? `answers are kept in ${args.resume}; the same command goes on.`
          : "with --resume=FILE answers are kept, and the same command goes on.";
        process.stderr.write(`\nStopped; ${kept}\n`);
      }
      throw error;
    });
  },
});

interface Work {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

interface Scored {
  readonly json: object;
  readonly table: string;
}

async function scoreFile(
  { model, tokenizer }: LanguageModel,
  file: string,
  options: Work & { stride?: number },
): Promise<Scored> {
  const score = await scoreText(model, tokenizer, await readFile(file, "utf8"), options);
  const rows: [string, number][] = [
    ["tokens", score.tokens],
    ["perplexity", score.perplexity],
    ["word perplexity", score.wordPerplexity],
    ["bits per byte", score.bitsPerByte],
  ];
  const number = (value: number) => (Number.isInteger(value) ? String(value) : value.toPrecision(5));
  return {
    json: score,
    table: rows.map(([name, value]) => `${name.padEnd(16)} ${number(value)}\n`).join(""),
  };
}

async function scoreTask(
  { model, tokenizer }: LanguageModel,
  examples: readonly ChoiceExample[],
  options: Work & { numFewShot: number; resume: string | undefined },
): Promise<Scored> {
  const { resume, ...rest } = options;
  const done: ChoiceResult[] = resume === undefined ? [] : await readResults(resume);
  const results = [...done];
  // Results are small, and each one has cost a forward pass: all of them are written again after each.
  let writing = Promise.resolve();
  const score = await scoreMultipleChoice(model, tokenizer, examples, {
    ...rest,
    done,
    onResult(result) {
      results.push(result);
      if (resume === undefined) return;
      const text = results.map((one) => `${JSON.stringify(one)}\n`).join("");
      writing = writing.then(() => writeText(resume, text));
    },
  }).finally(() => writing);
  const row = (name: string, { value, standardError, interval95: [low, high] }: Accuracy) => {
    const error = Number.isNaN(standardError) ? "" : ` ± ${standardError.toFixed(4)}`; // of one question there is none
    return `${name.padEnd(16)} ${value.toFixed(4)}${error}  (95 %: ${low.toFixed(4)} to ${high.toFixed(4)})\n`;
  };
  const { results: _, ...json } = score;
  return {
    json,
    table: `${"questions".padEnd(16)} ${score.count}\n${row("acc", score.accuracy)}${row("acc_norm", score.accuracyNorm)}`,
  };
}

async function readResults(file: string): Promise<ChoiceResult[]> {
  const text = await readFile(file, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return linesOf(text, file) as ChoiceResult[];
}

/** @throws FormatError naming the line that is no question */
export function parseTask(text: string, file: string): ChoiceExample[] {
  return linesOf(text, file).map((value, line) => {
    const { context, choices, answer } = value as Partial<ChoiceExample>;
    const fits =
      typeof context === "string" &&
      Array.isArray(choices) &&
      choices.every((choice) => typeof choice === "string");
    if (fits && typeof answer === "number") return { context, choices, answer };
    throw new FormatError(
      `score: line ${line + 1} of ${file} is ${JSON.stringify(value).slice(0, 80)}, expected ` +
        '{"context": "…", "choices": ["…"], "answer": 0}. Write one question a line.',
      { file },
    );
  });
}

function linesOf(text: string, file: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, i) => {
    try {
      return JSON.parse(line);
    } catch (cause) {
      throw new FormatError(
        `score: line ${i + 1} of ${file} is not JSON: ${cause}. Write one object a line.`,
        {
          file,
          cause,
        },
      );
    }
  });
}
