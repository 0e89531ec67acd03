import { readFile } from "node:fs/promises";
import { wasm } from "@corenet/backend-wasm";
import { mergeLora } from "@corenet/nn";
import { OpenElm, type OpenElmParams, saveLora, saveOpenElm } from "@corenet/openelm";
import { disposeTree, type ParamTree, useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { finetuneLora } from "../finetune/finetune-lora.ts";
import { readExamples } from "../finetune/read-examples.ts";
import { openLanguageModel } from "../model/open-language-model.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { modelOption, modelOptions } from "./model-options.ts";
import { checkOptions, commonOptions, integerOption, positiveOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  model: modelOptions.model,
  tokenizer: modelOptions.tokenizer,
  data: {
    type: "string",
    valueHint: "FILE",
    description: 'JSON lines: {"prompt", "completion"}, {"instruction", "input", "output"} or {"messages"}.',
  },
  out: { type: "string", valueHint: "DIR", description: "Where adapters and checkpoints go. adapter." },
  steps: { type: "string", valueHint: "N", description: "Updates. 200." },
  batch: { type: "string", valueHint: "N", description: "Examples in a batch. 4." },
  rank: { type: "string", valueHint: "N", description: "Of the adapters. 16." },
  "learning-rate": { type: "string", valueHint: "X", description: "At its peak. 3e-4." },
  context: { type: "string", valueHint: "N", description: "Tokens of an example at most. The model's." },
  dora: { type: "boolean", description: "Train magnitudes too (DoRA)." },
  merge: { type: "boolean", description: "Write a whole model with the adapters merged in DIR/model, too." },
  seed: { type: "string", valueHint: "N", description: "One seed gives one result. 0." },
  json: { type: "boolean", description: "Print the result as JSON; all else goes to the error output." },
  ...commonOptions,
} as const;

/** The command that adapts a model to questions and answers. */
export const finetuneCommand = defineCommand({
  meta: {
    name: "finetune",
    description: "Train LoRA or DoRA adapters. Stopped, the same command goes on where it was.",
  },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args.model);
    const { data, out = "adapter" } = args;
    if (data === undefined)
      throw new UsageError("--data is missing, expected a file: --data=examples.jsonl.");
    const steps = integerOption("steps", args.steps) ?? 200;
    const settings = {
      ...{ steps, dora: args.dora === true, seed: integerOption("seed", args.seed) ?? 0 },
      rank: integerOption("rank", args.rank) ?? 16,
      batchSize: integerOption("batch", args.batch) ?? 4,
      learningRate: positiveOption("learning-rate", args["learning-rate"]) ?? 3e-4,
    };
    const contextLength = integerOption("context", args.context);
    const say = (text: string) => (args.json ? process.stderr : process.stdout).write(text);

    await useBackend(wasm());
    await interruptible(async (signal) => {
      using opened = await openLanguageModel(from, { tokenizer: args.tokenizer, signal });
      const { model, tokenizer, chat } = opened;
      const examples = readExamples(await readFile(data, "utf8"), data, chat);
      const every = Math.max(1, Math.floor(steps / 20));
      const { lora, scaling, dropped, history } = await finetuneLora(model, tokenizer, examples, {
        ...{ ...settings, signal, checkpoint: { folder: `${out}/checkpoints`, everySeconds: 30 } },
        ...(contextLength === undefined ? {} : { contextLength }),
        onStep(step, loss) {
          if ((step + 1) % every === 0) say(`step ${step + 1} of ${steps}  loss ${loss.toFixed(4)}\n`);
        },
      });
      try {
        await saveLora(lora, scaling, out, { baseModel: from, signal });
        if (args.merge) {
          const merged = mergeLora(model.params, lora, scaling) as OpenElmParams;
          await saveOpenElm(new OpenElm(merged, model.config), `${out}/model`, { signal });
        }
      } finally {
        disposeTree(lora as ParamTree);
      }
      if (dropped > 0) say(`${dropped} examples did not fit the context and were left out\n`);
      const loss = history.at(-1)?.loss;
      const result = {
        out,
        steps: history.length,
        loss,
        dropped,
        ...(args.merge ? { model: `${out}/model` } : {}),
      };
      process.stdout.write(args.json ? `${JSON.stringify(result)}\n` : `adapters in ${out}\n`);
    }).catch((error) => {
      if (error instanceof Interrupted) say(`\nStopped; the same command goes on where it was.\n`);
      throw error;
    });
  },
});
