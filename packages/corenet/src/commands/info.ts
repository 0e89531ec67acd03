import { fileSource, openCheckpoint, openModelFiles, readJson, type TensorFile } from "@corenet/formats";
import { countMultiplyAdds, type OpenElmConfig, parameterShapes, parseConfig } from "@corenet/openelm";
import { defineCommand } from "citty";
import { bytesText } from "../terminal/bytes-text.ts";
import { workLine } from "../terminal/work-line.ts";
import { interruptible } from "./interrupt.ts";
import { modelOption, modelOptions } from "./model-options.ts";
import { checkOptions, commonOptions } from "./options.ts";

const options = {
  model: modelOptions.model,
  json: { type: "boolean", description: "Print it as JSON." },
  ...commonOptions,
} as const;

/** The command that shows a checkpoint at a glance, without loading it. */
export const infoCommand = defineCommand({
  meta: {
    name: "info",
    description: "What a checkpoint holds: widths of its layers, dtypes, sizes. Loads no weight.",
  },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args);
    await interruptible(async (signal) => {
      const line = workLine(process.stderr);
      const io = { signal, onProgress: line.onProgress, keep: false };
      const isFile = from.endsWith(".safetensors") && !/^(?:hf|https?):/.test(from);
      const sources = isFile
        ? [await fileSource(from)]
        : await openModelFiles(from, io).finally(() => line.clear());
      const config = sources.find(({ name }) => name.split(/[\\/]/).at(-1) === "config.json");
      const parsed = config ? parseConfig(await readJson(config), config.name) : undefined;
      const weights = await openCheckpoint(
        sources.filter((source) => source !== config),
        { signal },
      );
      try {
        const info = describeCheckpoint(parsed, weights);
        process.stdout.write(
          args.json ? `${JSON.stringify(info)}\n` : checkpointText(from, info, process.stdout.columns),
        );
      } finally {
        await weights.close();
      }
    });
  },
});

export interface CheckpointInfo {
  readonly parameters: number;
  readonly sizeBytes: number;
  /** Tensors and bytes of each dtype. */
  readonly dtypes: Readonly<Record<string, { tensors: number; bytes: number }>>;
  readonly config?: OpenElmConfig;
  /** Multiply-adds of one new token after half a context. */
  readonly decodeMultiplyAdds?: number;
  /** Names that config.json asks for and the files lack, and the reverse. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

export function describeCheckpoint(
  config: OpenElmConfig | undefined,
  { tensors }: TensorFile,
): CheckpointInfo {
  const dtypes: Record<string, { tensors: number; bytes: number }> = {};
  let parameters = 0;
  let sizeBytes = 0;
  for (const { dtype, shape, byteLength } of tensors.values()) {
    const entry = dtypes[dtype] ?? { tensors: 0, bytes: 0 };
    dtypes[dtype] = { tensors: entry.tensors + 1, bytes: entry.bytes + byteLength };
    parameters += shape.reduce((product, side) => product * side, 1);
    sizeBytes += byteLength;
  }
  if (!config) return { parameters, sizeBytes, dtypes, missing: [], extra: [] };
  const plain = (name: string) => name.replace(/^transformer\./, "").replace(/^lm_head\./, "classifier.");
  const base = (name: string) => name.replace(/\.(?:lfsr|int)_\w+$/, ""); // a compressed matrix is several tensors
  const held = new Set([...tensors.keys()].map((name) => base(plain(name))));
  const wanted = new Map(parameterShapes(config).map(({ path, shape }) => [path, shape]));
  const pastTokens = Math.floor(config.contextLength / 2);
  return {
    parameters: [...wanted.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0),
    ...{ sizeBytes, dtypes, config },
    decodeMultiplyAdds: countMultiplyAdds(config, { newTokens: 1, pastTokens }),
    missing: [...wanted.keys()].filter((path) => !held.has(path)),
    extra: [...held].filter((path) => !wanted.has(path)),
  };
}

/** A few lines, and for an OpenELM its layers, their widths drawn as bars, in lines of at most `columns`. */
export function checkpointText(from: string, info: CheckpointInfo, columns = 80): string {
  const { config, parameters, sizeBytes, dtypes, missing, extra } = info;
  const held = Object.entries(dtypes).map(
    ([dtype, { tensors, bytes }]) => `${tensors} ${dtype} (${bytesText(bytes)})`,
  );
  const lines = [
    from,
    line("parameters", parameters.toLocaleString("en")),
    line("tensors", `${held.join(", ")}, ${bytesText(sizeBytes)} in all`),
  ];
  if (config) {
    const { modelDim, headDim, vocabSize, contextLength, tied, layers } = config;
    lines.push(
      line("model", `OpenELM, ${layers.length} layers, width ${modelDim}, heads of ${headDim}`),
      line("vocabulary", `${vocabSize.toLocaleString("en")}${tied ? ", tied to the head" : ""}`),
      line("context", `${contextLength} tokens`),
      line(
        "a new token",
        `${(((info.decodeMultiplyAdds ?? 0) * 2) / 1e6).toFixed(0)} MFLOP after half a context`,
      ),
      "",
      "layer  heads  kv  feed-forward",
    );
    const widest = Math.max(...layers.map(({ ffnDim }) => ffnDim));
    const room = Math.min(48, Math.max(8, columns - 32)); // beside the numbers
    const bar = (width: number) => "█".repeat(Math.max(1, Math.round((room * width) / widest)));
    layers.forEach(({ numQueryHeads, numKvHeads, ffnDim }, i) => {
      const numbers = [
        String(i).padStart(5),
        String(numQueryHeads).padStart(5),
        String(numKvHeads).padStart(2),
      ];
      lines.push(`${numbers.join("  ")}  ${String(ffnDim).padStart(12)}  ${bar(ffnDim)}`);
    });
  }
  if (missing.length > 0) lines.push("", `missing: ${missing.join(", ")}`);
  if (extra.length > 0) lines.push("", `not part of this model: ${extra.join(", ")}`);
  return `${lines.join("\n")}\n`;
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(12)} ${text}`;
}
