import { wasm } from "@corenet/backend-wasm";
import { intContainer } from "@corenet/nn";
import { loadOpenElm, saveOpenElm } from "@corenet/openelm";
import { isTensor, type PackedMatrix, type Tensor, treeLeaves, useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { bytesText } from "../terminal/bytes-text.ts";
import { workLine } from "../terminal/work-line.ts";
import { interruptible, sayNothingIsHalf } from "./interrupt.ts";
import { modelOption, modelOptions } from "./model-options.ts";
import { checkOptions, choiceOption, commonOptions } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const formats = ["int8", "int4"] as const;

const options = {
  model: modelOptions.model,
  format: { type: "string", valueHint: formats.join("|"), description: "8.5 or 4.5 bits a weight. int8." },
  out: { type: "string", valueHint: "DIR", description: "Where the quantized model goes." },
  json: { type: "boolean", description: "Print the result as JSON." },
  ...commonOptions,
} as const;

/** The command that stores a model in 8 or 4 bits. */
export const quantizeCommand = defineCommand({
  meta: {
    name: "quantize",
    description: "Keep a model's matrices in 8 or 4 bits. For 4 and 3 bits by seeds: compress.",
  },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args);
    const { out } = args;
    if (out === undefined) throw new UsageError("--out is missing, expected a folder: --out=small.");
    const storage = choiceOption("format", args.format, formats) ?? "int8";
    await useBackend(wasm());
    await interruptible(async (signal) => {
      const line = workLine(process.stderr);
      const work = { signal, onProgress: line.onProgress };
      using model = await loadOpenElm(from, { ...work, storage }).finally(() => line.clear());
      await saveOpenElm(model, out, { ...work, packed: [intContainer()] }).finally(() => line.clear());
      const leaves = treeLeaves<Tensor | PackedMatrix>(model.params);
      const bytes = leaves.reduce((sum, leaf) => sum + (isTensor(leaf) ? leaf.size * 4 : leaf.byteLength), 0);
      const weights = leaves.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      const result = { out, format: storage, weights, bytes, bitsPerWeight: (8 * bytes) / weights };
      process.stdout.write(
        args.json
          ? `${JSON.stringify(result)}\n`
          : `${out}: ${bytesText(bytes)}, ${result.bitsPerWeight.toFixed(2)} bits a weight (float32: ${bytesText(weights * 4)})\n`,
      );
    }).catch(sayNothingIsHalf);
  },
});
