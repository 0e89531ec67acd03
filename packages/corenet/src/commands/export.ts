import { stat } from "node:fs/promises";
import { join } from "node:path";
import { wasm } from "@corenet/backend-wasm";
import { intContainer } from "@corenet/nn";
import { exportGguf, loadOpenElm, saveOpenElm } from "@corenet/openelm";
import { useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { ggufVocabulary } from "../model/gguf-vocabulary.ts";
import { bytesText } from "../terminal/bytes-text.ts";
import { workLine } from "../terminal/work-line.ts";
import { interruptible, sayNothingIsHalf } from "./interrupt.ts";
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
  json: { type: "boolean", description: "Print the result as JSON." },
  ...commonOptions,
} as const;

/** The command that writes a model for other programs. */
export const exportCommand = defineCommand({
  meta: { name: "export", description: "Write a model for llama.cpp, transformers or mlx." },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args);
    const { out } = args;
    if (out === undefined) throw new UsageError("--out is missing, expected a path: --out=model.gguf.");
    const isGguf = (choiceOption("to", args.to, ["gguf", "safetensors"]) ?? "gguf") === "gguf";
    const allowed = isGguf ? ggufDtypes : (["f32", "f16", "bf16"] as const);
    const dtype = choiceOption<string>("dtype", args.dtype, allowed) ?? "f16";

    await useBackend(wasm());
    await interruptible(async (signal) => {
      const line = workLine(process.stderr);
      const work = { signal, onProgress: line.onProgress };
      try {
        const vocabulary = isGguf ? await ggufVocabulary(args.tokenizer ?? from, signal) : undefined;
        using model = await loadOpenElm(from, { ...work, storage: "as-is", packed: [intContainer()] });
        if (vocabulary) {
          await exportGguf(model, out, { ...work, dtype: dtype as (typeof ggufDtypes)[number], vocabulary });
        } else {
          await saveOpenElm(model, out, { ...work, dtype: dtypes[dtype as keyof typeof dtypes] });
        }
      } finally {
        line.clear();
      }
      const { size: bytes } = await stat(isGguf ? out : join(out, "model.safetensors"));
      const result = { out, format: isGguf ? "gguf" : "safetensors", dtype, bytes };
      process.stdout.write(
        args.json ? `${JSON.stringify(result)}\n` : `${out}: ${bytesText(bytes)}, ${dtype}\n`,
      );
    }).catch(sayNothingIsHalf);
  },
});
