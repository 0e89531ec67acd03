import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { generateText } from "../generate-text.ts";
import { printable } from "../terminal/printable.ts";
import { interruptible } from "./interrupt.ts";
import { modelFiles, modelOption, modelOptions } from "./model-options.ts";
import { openForWork } from "./open-for-work.ts";
import { checkOptions, commonOptions, integerOption, numberOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  ...modelOptions,
  prompt: { type: "string", valueHint: "TEXT", description: "What the model continues." },
  "max-new-tokens": {
    type: "string",
    valueHint: "N",
    description: "At most so many; as the context holds, by itself.",
  },
  temperature: {
    type: "string",
    valueHint: "X",
    description: "0 takes the most likely. 0.8 where nothing is said.",
  },
  "top-k": { type: "string", valueHint: "N", description: "Choose among the N most likely." },
  "top-p": {
    type: "string",
    valueHint: "X",
    description: "Choose among the most likely that reach X together.",
  },
  "min-p": {
    type: "string",
    valueHint: "X",
    description: "Choose among those X times as likely as the best.",
  },
  seed: { type: "string", valueHint: "N", description: "One seed gives one text. 0 where nothing is said." },
  json: { type: "boolean", description: "Print prompt and text as JSON at the end." },
  ...commonOptions,
} as const;

/** The command that continues a text. */
export const generateCommand = defineCommand({
  meta: { name: "generate", description: "Continue a text." },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args);
    const { prompt } = args;
    if (prompt === undefined)
      throw new UsageError('--prompt is missing, expected some text: --prompt="Once".');
    const sampling = given({
      maxNewTokens: integerOption("max-new-tokens", args["max-new-tokens"]),
      topK: integerOption("top-k", args["top-k"]),
      topP: numberOption("top-p", args["top-p"]),
      minP: numberOption("min-p", args["min-p"]),
    });
    const temperature = numberOption("temperature", args.temperature) ?? 0.8;
    const seed = integerOption("seed", args.seed) ?? 0;

    await useBackend(wasm());
    await interruptible(async (signal) => {
      using opened = await openForWork(from, { ...modelFiles(args), signal });
      const { model, tokenizer } = opened;
      let text = "";
      const settings = { ...sampling, prompt, temperature, seed };
      if (!args.json) process.stdout.write(prompt);
      try {
        for await (const piece of generateText(model, { ...settings, tokenizer, signal })) {
          text += piece;
          if (!args.json) process.stdout.write(printable(piece, process.stdout));
        }
      } catch (error) {
        if (!args.json) process.stdout.write("\n"); // what came so far stays on a line of its own
        throw error;
      }
      process.stdout.write(
        args.json ? `${JSON.stringify({ prompt, text, temperature, seed, ...sampling })}\n` : "\n",
      );
    });
  },
});

/** Without what was not given. */
function given<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}
