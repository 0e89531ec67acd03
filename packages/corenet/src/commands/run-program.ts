import { stripVTControlCharacters } from "node:util";
import { type CommandDef, renderUsage, runCommand } from "citty";
import { paintFor } from "../terminal/colors.ts";
import { Interrupted } from "./interrupt.ts";
import { UsageError } from "./usage-error.ts";

// biome-ignore lint/suspicious/noExplicitAny: citty types a command by its options, and here any will do
type AnyCommand = CommandDef<any>;

export interface Program {
  readonly command: AnyCommand;
  readonly name: string;
  readonly subCommands?: Readonly<Record<string, AnyCommand>>;
  readonly version: string;
}

/**
 * Runs a program as its user typed it. Errors are one sentence on the error output; `--debug` adds the stack.
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 128 + the signal when it was told to stop
 */
export async function runProgram(program: Program, rawArgs: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {}); // a closed pipe stops nobody
  const args = rawArgs.slice(0, rawArgs.includes("--") ? rawArgs.indexOf("--") : undefined);
  const name = args.find((arg) => !arg.startsWith("-")) ?? "";
  const wanted = program.subCommands?.[name];
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${await usageOf(program, wanted)}\n`);
    return 0;
  }
  if (args.length === 1 && args[0] === "--version") {
    process.stdout.write(`${program.version}\n`);
    return 0;
  }
  try {
    await runCommand(program.command, { rawArgs: [...rawArgs] });
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    const isUsage = error instanceof UsageError || (error instanceof Error && error.name === "CLIError");
    process.stderr.write(`${explain(error, args.includes("--debug"))}\n`);
    if (isUsage) process.stderr.write(`See ${program.name} ${wanted ? `${name} ` : ""}--help\n`);
    return isUsage ? 2 : 1;
  }
}

async function usageOf({ command }: Program, wanted: AnyCommand | undefined): Promise<string> {
  const usage = await (wanted ? renderUsage(wanted, command) : renderUsage(command));
  const isPlain = paintFor(process.stdout)("bold", "") === "";
  return isPlain ? stripVTControlCharacters(usage) : usage;
}

function explain(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return `corenet: ${String(error)}`;
  const text = stripVTControlCharacters(debug ? (error.stack ?? error.message) : error.message);
  const cause = debug && error.cause instanceof Error ? `\nbecause ${error.cause.stack}` : "";
  return `corenet: ${text}${cause}`;
}
