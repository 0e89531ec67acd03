import { spawn } from "node:child_process";

export interface RunProgramOptions {
  /** Working folder: imports are resolved from there. */
  cwd: string;
  /** What the error calls it. */
  name: string;
}

/**
 * Runs TypeScript in a plain Node of its own, on the packages' sources, and gives what it printed.
 *
 * @throws Error with what it wrote to stderr, when it fails
 */
export async function runProgram(code: string, { cwd, name }: RunProgramOptions): Promise<string> {
  const flags = ["--conditions=@corenet/source", "--input-type=module-typescript", "-"];
  const child = spawn(process.execPath, flags, { cwd });
  let [printed, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  child.stdin.end(code);
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  if (exitCode === 0) return printed;
  throw new Error(`runProgram: ${name} ended with ${exitCode}, expected 0:\n${errors}`);
}
