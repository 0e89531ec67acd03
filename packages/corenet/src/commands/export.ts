import { wasm } from "@corenet/backend-wasm";
import { intContainer } from "@corenet/nn";
import { exportGguf, loadOpenElm, saveOpenElm } from "@corenet/openelm";
import { useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { ggufVocabulary } from "../model/gguf-vocabulary.ts";
import { interruptible } from "./interrupt.ts";
import { modelOption, modelOptions } from "./model-options.ts";
import { checkOptions, choiceOption, commonOptions } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const ggufDtypes = ["f32", "f16", "q8_0", "q4_0"] as const;
const dtypes = { f32: "float32", f16: "float16", bf16: "bfloat16" } as const;

const options = {
  model: modelOptions.model,
  tokenizer: modelOptions.tokenizer,
  to: {
    type: "string",
    valueHint: "gguf|safetensors",
    description: "For llama.cpp, or for transformers and mlx. gguf.",
  },
  dtype: {
    type: "string",
    valueHint: "X",
    description: "gguf: f32, f16, q8_0, q4_0. safetensors: f32, f16, bf16. f16.",
  },
  out: { type: "string", valueHint: "PATH", description: "The file, or for safetensors the folder." },
  ...commonOptions,
} as const;

/** The command that writes a model for other programs. */
export const exportCommand = defineCommand({
  meta: { name: "export", description: "Write a model for llama.cpp, transformers or mlx." },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args.model);
    const { out } = args;
    if (out === undefined) throw new UsageError("--out is missing, expected a path: --out=model.gguf.");
    const isGguf = (choiceOption("to", args.to, ["gguf", "safetensors"]) ?? "gguf") === "gguf";
    const allowed = isGguf ? ggufDtypes : (["f32", "f16", "bf16"] as const);
    const dtype = choiceOption<string>("dtype", args.dtype, allowed) ?? "f16";

    await useBackend(wasm());
    await interruptible(async (signal) => {
      const vocabulary = isGguf ? await ggufVocabulary(args.tokenizer ?? from, signal) : undefined;
      using model = await loadOpenElm(from, { storage: "as-is", packed: [intContainer()], signal });
      if (vocabulary) {
        await exportGguf(model, out, { dtype: dtype as (typeof ggufDtypes)[number], vocabulary, signal });
      } else {
        await saveOpenElm(model, out, { dtype: dtypes[dtype as keyof typeof dtypes], signal });
      }
      process.stdout.write(`${out}\n`);
    });
  },
});
