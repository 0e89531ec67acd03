import { spawn } from "node:child_process";
import { join } from "node:path";

/** The repository. */
export const root = join(import.meta.dirname, "../..");

/** What one check found: how many tests passed, failed and were skipped, and what to show when some failed. */
export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  output: string;
}

/** A check that is one test. */
export function single(passed: boolean, output: string): Outcome {
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0, output };
}

/** Several outcomes as one, with the output of those that failed. */
export function together(outcomes: readonly Outcome[]): Outcome {
  const total = (count: (outcome: Outcome) => number) => outcomes.reduce((sum, one) => sum + count(one), 0);
  return {
    passed: total(({ passed }) => passed),
    failed: total(({ failed }) => failed),
    skipped: total(({ skipped }) => skipped),
    output: outcomes.map(({ failed, output }) => (failed > 0 ? output : "")).join(""),
  };
}

export interface RunOptions {
  /** Working folder. @default the repository */
  cwd?: string;
  /** Also print the output as it comes. @default false */
  show?: boolean;
  /** Variables beside those of this process. */
  env?: Record<string, string>;
}

/** Runs a program to its end and keeps what it prints. */
export function run(
  program: string,
  args: readonly string[],
  { cwd = root, show = false, env = {} }: RunOptions = {},
): Promise<{ code: number; output: string }> {
  const child = spawn(program, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (show) process.stdout.write(chunk);
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

/** Runs nx, which answers from its cache where no input changed. */
export function nx(args: readonly string[]): Promise<{ code: number; output: string }> {
  return run(process.execPath, [join(root, "node_modules/nx/dist/bin/nx.js"), ...args]);
}
