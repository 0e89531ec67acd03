import { existsSync } from "node:fs";
import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import { type CommandDef, defineCommand } from "citty";
import { writeReport } from "../report/write-report.ts";
import type { CompressBits } from "../run/compress-run.ts";
import { readSettings, runPaths } from "../run/run-folder.ts";
import { paintFor, type Terminal } from "../terminal/colors.ts";
import { runPrinter } from "../terminal/run-printer.ts";
import { summarize } from "../terminal/summary.ts";
import type { TextSource } from "../text/read-text.ts";
import { trainTextModel } from "../train-text-model.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { checkOptions, commonOptions, integerOption, positiveOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  text: { type: "string", valueHint: "PATH", description: "A file, or a folder of text, to train on." },
  out: {
    type: "string",
    valueHint: "DIR",
    description: "Where the run, its checkpoints, model and report lie.",
  },
  minutes: { type: "string", valueHint: "N", description: "How long to train. 2.4 where nothing is said." },
  steps: { type: "string", valueHint: "N", description: "How many steps to train, in place of minutes." },
  seed: { type: "string", valueHint: "N", description: "One seed gives one model. 1 where nothing is said." },
  fresh: { type: "boolean", description: "Remove the run in DIR and start anew." },
  json: {
    type: "boolean",
    description: "Print the result as JSON; everything else goes to the error output.",
  },
  ...commonOptions,
} as const;

export interface TrainCommandOptions {
  /** How a user calls it. */
  name: string;
  /** What is trained on where a user names nothing and no run goes on. */
  defaultText?: TextSource;
  defaultOut: string;
  /** What the model is compressed to at the end. @default nothing */
  compressTo?: readonly CompressBits[];
}

/** The command that trains, evaluates and saves a language model. */
export function trainCommand({
  name,
  defaultText,
  defaultOut,
  compressTo = [],
}: TrainCommandOptions): CommandDef<typeof options> {
  return defineCommand({
    meta: {
      name: name.replace(/^corenet /, ""), // citty writes the program's name in front
      description:
        "Train a small OpenELM on text. Stopped at any moment, the same command goes on where it was.",
    },
    args: options,
    async run({ args }) {
      checkOptions(args, options);
      const fresh = args.fresh === true;
      const out = args.out ?? defaultOut;
      const minutes = positiveOption("minutes", args.minutes);
      const steps = integerOption("steps", args.steps);
      const seed = integerOption("seed", args.seed);
      const text = args.text ?? (fresh ? undefined : await startedText(out)) ?? defaultText;
      if (text === undefined)
        throw new UsageError("--text is missing, expected a file or a folder: --text=PATH.");

      const terminal = args.json ? process.stderr : process.stdout;
      await useBackend(wasm());
      const run = await interruptible(async (signal) => {
        const done = await trainTextModel({
          ...{ text, out, minutes, steps, seed, fresh, compressTo, signal },
          onEvent: runPrinter(terminal),
        });
        if (!done.wasFinished || !existsSync(done.paths.report)) await writeReport(done);
        return done;
      }).catch((error) => {
        if (error instanceof Interrupted) sayHowToGoOn(terminal, name, out);
        throw error;
      });

      const paint = paintFor(terminal);
      if (run.wasFinished) terminal.write(`This run is finished; --fresh starts anew.\n`);
      terminal.write(`${run.wasFinished ? "\n" : "\n\n"}${summarize(run, paint)}\n`);
      if (args.json)
        process.stdout.write(`${JSON.stringify({ ...run.paths, ...run.result, settings: run.settings })}\n`);
    },
  });
}

/** The path that the run in a folder was started with. */
async function startedText(out: string): Promise<string | undefined> {
  const from = (await readSettings(runPaths(out)))?.text.from;
  return from === "repository" ? undefined : from;
}

function sayHowToGoOn(terminal: Terminal, name: string, out: string): void {
  terminal.write(
    `\nStopped; what was done is kept in ${out}. The same command goes on: ${name} --out=${out}\n`,
  );
}
