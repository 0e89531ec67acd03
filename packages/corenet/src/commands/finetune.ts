import { readFile } from "node:fs/promises";
import { wasm } from "@corenet/backend-wasm";
import { makeFolder } from "@corenet/formats";
import { useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { readExamples } from "../finetune/read-examples.ts";
import { saveTunedLora, saveTunedWeights } from "../finetune/save-tuned.ts";
import { openLanguageModel } from "../model/open-language-model.ts";
import { adapterSettings, finetuneOptions, teachingSettings, tuningSettings } from "./finetune-options.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { modelOption } from "./model-options.ts";
import { checkOptions } from "./options.ts";
import { UsageError } from "./usage-error.ts";

/** The command that adapts a model to questions and answers. */
export const finetuneCommand = defineCommand({
  meta: {
    name: "finetune",
    description:
      "Train adapters (LoRA, DoRA) or the weights. Stopped, the same command goes on where it was.",
  },
  args: finetuneOptions,
  async run({ args }) {
    checkOptions(args, finetuneOptions);
    const from = modelOption(args);
    const { data, out = args.full ? "tuned" : "adapter" } = args;
    if (data === undefined)
      throw new UsageError("--data is missing, expected a file: --data=examples.jsonl.");
    const settings = tuningSettings(args);
    const adapters = adapterSettings(args);
    const teaching = teachingSettings(args, out);
    const { steps } = settings;
    const say = (text: string) => (args.json ? process.stderr : process.stdout).write(text);

    await useBackend(wasm());
    await interruptible(async (signal) => {
      using opened = await openLanguageModel(from, { tokenizer: args.tokenizer, signal });
      using teacher =
        args.teacher === undefined
          ? undefined
          : await openLanguageModel(args.teacher, { tokenizer: args.tokenizer, signal });
      const examples = readExamples(await readFile(data, "utf8"), data, opened.chat);
      const every = Math.max(1, Math.floor(steps / 20));
      await makeFolder(out);
      const options = {
        ...{
          ...settings,
          ...adapters,
          signal,
          checkpoint: { folder: `${out}/checkpoints`, everySeconds: 30 },
        },
        ...(teacher ? { teacher: { ...teaching, model: teacher.model } } : {}),
        onStep(step: number, loss: number) {
          if ((step + 1) % every === 0) say(`step ${step + 1} of ${steps}  loss ${loss.toFixed(4)}\n`);
        },
      };
      const { dropped, fillRate, history, model } = args.full
        ? await saveTunedWeights(opened, examples, out, options)
        : await saveTunedLora(opened, examples, out, { ...options, from, merge: args.merge === true });
      if (dropped > 0) say(`${dropped} examples did not fit the context and were left out\n`);
      say(`${(100 * fillRate).toFixed(1)} % of ${args.pack ? "packed" : "full"} rows are examples\n`);
      const loss = history.at(-1)?.loss;
      const result = { out, steps: history.length, loss, dropped, fillRate, ...(model ? { model } : {}) };
      const where = args.full ? `model in ${model}` : `adapters in ${out}`;
      process.stdout.write(args.json ? `${JSON.stringify(result)}\n` : `${where}\n`);
    }).catch((error) => {
      if (error instanceof Interrupted) say(`\nStopped; the same command goes on where it was.\n`);
      throw error;
    });
  },
});
