import { stat } from "node:fs/promises";
import { wasm } from "@corenet/backend-wasm";
import type { Progress } from "@corenet/core";
import { openCheckpoint } from "@corenet/formats";
import {
  type CompressProgress,
  compressCheckpoint,
  lfsrConfig,
  readImportance,
  reportTable,
  writeImportance,
} from "@corenet/lfsr-seed";
import { useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { calibrate } from "../compress/calibrate.ts";
import type { Terminal } from "../terminal/colors.ts";
import { formatDuration } from "../terminal/duration.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { modelOption, modelOptions } from "./model-options.ts";
import { checkOptions, choiceOption, commonOptions, integerOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const rates = ["3", "4", "4.5"] as const;

const options = {
  model: {
    type: "string",
    valueHint: "DIR",
    description: "A folder, or a .safetensors file. The first word is it, too.",
  },
  out: { type: "string", valueHint: "DIR", description: "Where the compressed model goes." },
  bits: {
    type: "string",
    valueHint: rates.join("|"),
    description: "Bits a weight. 4 where nothing is said.",
  },
  include: {
    type: "string",
    valueHint: "NAMES",
    description:
      "Tensors to compress, in place of the matrices of the blocks: names with *, separated by commas.",
  },
  exclude: { type: "string", valueHint: "NAMES", description: "Tensors to leave alone, named the same way." },
  decimation: {
    type: "string",
    valueHint: "N",
    description: "Use every N-th state of the register: 8 gains a little, but is not the paper's format.",
  },
  calibrate: {
    type: "string",
    valueHint: "TEXT",
    description:
      "A text that the model reads first: weights that meet large inputs are then coded with smaller errors.",
  },
  importance: {
    type: "string",
    valueHint: "FILE",
    description:
      "Safetensors: for each tensor, by its name, how much an error costs in each column. With --calibrate, where to keep it.",
  },
  tokenizer: modelOptions.tokenizer,
  workers: { type: "string", valueHint: "N", description: "Worker threads. One for each core." },
  overwrite: { type: "boolean", description: "Replace DIR if it is there." },
  fresh: { type: "boolean", description: "Drop what an interrupted run left." },
  json: {
    type: "boolean",
    description: "Print the report as JSON; everything else goes to the error output.",
  },
  ...commonOptions,
} as const;

/** The command that stores a checkpoint's matrices as seeds. */
export const compressCommand = defineCommand({
  meta: {
    name: "compress",
    description:
      "Store a model's matrices as seeds (SeedLM), 3 or 4 bits a weight. Stopped, it goes on where it was.",
  },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const source = modelOption(args);
    const { out } = args;
    if (out === undefined) throw new UsageError("--out is missing, expected a folder: --out=small.");
    await stat(source).catch(() => {
      throw new UsageError(`there is no ${source}, expected a folder or a .safetensors file.`);
    });
    const rate = choiceOption("bits", args.bits, rates) ?? "4";
    const bits = rate === "3" ? 3 : rate === "4" ? 4 : 4.5;
    const decimation = integerOption("decimation", args.decimation);

    const terminal = args.json ? process.stderr : process.stdout;
    const onProgress = progressPrinter(terminal);
    const report = await interruptible(async (signal) => {
      const importance = await importanceFor(source, args, { signal, onProgress });
      return compressCheckpoint({
        ...{ source, out, signal, onProgress },
        config: lfsrConfig({ bits, decimation }),
        include: names(args.include),
        exclude: names(args.exclude),
        importanceOf: (name) => importance.get(name),
        workers: integerOption("workers", args.workers),
        overwrite: args.overwrite === true,
        fresh: args.fresh === true,
      });
    }).catch((error) => {
      if (error instanceof Interrupted) {
        terminal.write(`\nStopped; what was done is kept in ${out}.partial. The same command goes on.\n`);
      }
      throw error;
    });
    terminal.write(
      `\n${reportTable(report)}\n\n${out} holds the model, and the report as compression.svg.\n`,
    );
    if (args.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  },
});

function names(text: string | undefined): string[] | undefined {
  return text?.split(",").map((name) => name.trim());
}

/** What errors cost, by tensor: measured on a text, or read from a file; empty where neither is wanted. */
async function importanceFor(
  source: string,
  {
    calibrate: text,
    importance: file,
    tokenizer,
  }: { calibrate?: string; importance?: string; tokenizer?: string },
  io: { signal: AbortSignal; onProgress: (progress: Progress) => void },
): Promise<ReadonlyMap<string, Float32Array>> {
  if (text !== undefined) {
    await useBackend(wasm());
    const { importance } = await calibrate(source, text, { ...io, tokenizer });
    if (file !== undefined) await writeImportance(file, importance);
    return importance;
  }
  if (file === undefined) return new Map();
  const importance = await readImportance(file, io);
  const checkpoint = await openCheckpoint(source, io);
  await checkpoint.close();
  const stranger = [...importance.keys()].find((name) => !checkpoint.tensors.has(name));
  if (stranger === undefined) return importance;
  const [example = "none"] = checkpoint.tensors.keys();
  throw new UsageError(
    `${file} holds an importance of ${stranger}, expected names of tensors of ${source}, such as ${example}. Rename it.`,
  );
}

/** One line that is drawn again on a terminal; elsewhere one line per phase, and one every five seconds. */
function progressPrinter(terminal: Terminal): (progress: CompressProgress) => void {
  const isTerminal = terminal.isTTY === true;
  let shownAt = -Infinity;
  let phaseShown = "";
  return ({ phase, done, total = 0, item, weightsPerSecond, etaMs }) => {
    const now = performance.now();
    if (phase === phaseShown && done < total && now - shownAt < (isTerminal ? 100 : 5000)) return;
    shownAt = now;
    phaseShown = phase;
    const parts = [phase, `${total > 0 ? Math.floor((100 * done) / total) : 100} %`];
    if (weightsPerSecond !== undefined) parts.push(`${Math.round(weightsPerSecond / 1000)} k weights/s`);
    if (etaMs !== undefined && done < total) parts.push(`${formatDuration(etaMs)} left`);
    if (item !== undefined) parts.push(item);
    const text = parts.join("  ").slice(0, (terminal.columns ?? 100) - 1);
    terminal.write(isTerminal ? `\r${text}\x1b[K` : `${text}\n`);
  };
}
