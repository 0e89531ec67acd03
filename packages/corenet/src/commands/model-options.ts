import type { ArgsDef } from "citty";
import { UsageError } from "./usage-error.ts";

/** Options of every command that reads a model. */
export const modelOptions = {
  model: {
    type: "string",
    valueHint: "DIR",
    description:
      "A folder such as out/model, hf:owner/name on the Hugging Face hub, or a URL. The first word is it, too.",
  },
  tokenizer: {
    type: "string",
    valueHint: "PATH",
    description:
      "Its tokenizer.json or tokenizer.model, or a folder or hf:owner/name with it; else the model's own.",
  },
  adapter: {
    type: "string",
    valueHint: "DIR",
    description: "LoRA or DoRA adapters, as finetune and PEFT save them.",
  },
} as const satisfies ArgsDef;

/** What `openLanguageModel` takes of these options. */
export function modelFiles(args: { tokenizer?: string; adapter?: string }) {
  const { tokenizer, adapter } = args;
  return { tokenizer, adapter };
}

/** The model's place: --model, or the first word. @throws UsageError when no model was named */
export function modelOption({ model, _: [word] }: { model?: string | undefined; _: string[] }): string {
  const place = model ?? word;
  if (place !== undefined) return place;
  throw new UsageError("--model is missing, expected a folder or hf:owner/name: --model=out/model.");
}
