import type { ArgsDef } from "citty";
import type { Teacher } from "../finetune/teacher.ts";
import { modelOptions } from "./model-options.ts";
import { commonOptions, integerOption, positiveOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

export const finetuneOptions = {
  model: modelOptions.model,
  tokenizer: modelOptions.tokenizer,
  data: {
    type: "string",
    valueHint: "FILE",
    description: 'JSON lines: {"prompt", "completion"}, {"instruction", "input", "output"} or {"messages"}.',
  },
  out: {
    type: "string",
    valueHint: "DIR",
    description: "Where checkpoints and results go. adapter, with --full tuned.",
  },
  steps: { type: "string", valueHint: "N", description: "Updates. 200." },
  batch: {
    type: "string",
    valueHint: "N",
    description: "Rows in a batch: examples, or with --pack several each. 4.",
  },
  context: { type: "string", valueHint: "N", description: "Tokens of an example at most. The model's." },
  pack: { type: "boolean", description: "Let short examples share rows; each sees itself alone." },
  rank: { type: "string", valueHint: "N", description: "Of the adapters. 16." },
  dora: { type: "boolean", description: "Train magnitudes too (DoRA)." },
  merge: { type: "boolean", description: "Write a whole model with the adapters merged in DIR/model, too." },
  full: {
    type: "boolean",
    description: "Train the weights themselves, without adapters; the model goes to DIR/model.",
  },
  freeze: {
    type: "string",
    valueHint: "NAMES",
    description:
      "What is left as it is: embeddings,layers.0-3 or any beginnings of the weights' names, * included.",
  },
  "learning-rate": { type: "string", valueHint: "X", description: "At its peak. 3e-4, with --full 2e-5." },
  teacher: {
    type: "string",
    valueHint: "DIR",
    description: "A model of the same tokenizer that teaches beside the data (distillation).",
  },
  temperature: {
    type: "string",
    valueHint: "X",
    description: "Of teacher and student where they are compared. 2.",
  },
  alpha: {
    type: "string",
    valueHint: "X",
    description: "The teacher's share of the loss, above 0, at most 1. 0.5.",
  },
  "teacher-top": {
    type: "string",
    valueHint: "N",
    description:
      "Ask the teacher once, and keep its N largest logits in DIR/teacher.safetensors. Asked at every step.",
  },
  seed: { type: "string", valueHint: "N", description: "One seed gives one result. 0." },
  json: { type: "boolean", description: "Print the result as JSON; all else goes to the error output." },
  ...commonOptions,
} as const satisfies ArgsDef;

type Given = Readonly<Partial<Record<keyof typeof finetuneOptions, string | boolean>>>;
const textOf = (value: string | boolean | undefined) => (typeof value === "string" ? value : undefined);

/** What `finetuneLora` and `finetuneWeights` take of the options. @throws UsageError */
export function tuningSettings(args: Given) {
  const learningRate = positiveOption("learning-rate", textOf(args["learning-rate"]));
  const contextLength = integerOption("context", textOf(args.context));
  return {
    ...{
      steps: integerOption("steps", textOf(args.steps)) ?? 200,
      seed: integerOption("seed", textOf(args.seed)) ?? 0,
    },
    ...{ batchSize: integerOption("batch", textOf(args.batch)) ?? 4, pack: args.pack === true },
    frozen: frozenNames(textOf(args.freeze)),
    ...(learningRate === undefined ? {} : { learningRate }),
    ...(contextLength === undefined ? {} : { contextLength }),
  };
}

/** What `finetuneLora` takes besides. @throws UsageError when the weights are trained instead */
export function adapterSettings(args: Given) {
  const given = (["rank", "dora", "merge"] as const).find((name) => args.full && args[name]);
  if (given)
    throw new UsageError(`--${given} is for adapters, and --full trains none. Leave out one of the two.`);
  return { rank: integerOption("rank", textOf(args.rank)) ?? 16, dora: args.dora === true };
}

/** How a teacher teaches. @throws UsageError when there is none */
export function teachingSettings(args: Given, out: string): Omit<Teacher, "model"> {
  const lonely = (["temperature", "alpha", "teacher-top"] as const).find(
    (name) => args[name] && !args.teacher,
  );
  if (lonely) throw new UsageError(`--${lonely} is for distillation, expected a teacher: --teacher=DIR.`);
  const temperature = positiveOption("temperature", textOf(args.temperature));
  const alpha = positiveOption("alpha", textOf(args.alpha));
  if (alpha !== undefined && alpha > 1)
    throw new UsageError(`--alpha is ${alpha}, expected a number above 0, at most 1.`);
  const topK = integerOption("teacher-top", textOf(args["teacher-top"]));
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(alpha === undefined ? {} : { alpha }),
    ...(topK === undefined ? {} : { cache: { file: `${out}/teacher.safetensors`, topK } }),
  };
}

/** `embeddings` is short for the table's own name. */
function frozenNames(text: string | undefined): string[] {
  const names = text?.split(",").map((name) => name.trim()) ?? [];
  return names.map((name) => (name === "embeddings" ? "token_embeddings" : name));
}
