// npm run bench            every bench of the repository
// npm run bench -- NAME…   those with these names
// npm run bench -- --document NAME…   the results of these, or of all, from out/bench into docs/performance.md
//
// Each bench has a process of its own: no bench inherits another's heap, compiled code or tfjs engine.
import { spawn } from "node:child_process";
import { glob } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { documentBenches } from "./document.ts";
import type { Bench } from "./harness.ts";
import { runBench } from "./harness.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const OUT = join(ROOT, "out/bench");
const PAGE = join(ROOT, "docs/performance.md");

const [flag, ...rest] = process.argv.slice(2);
if (flag === "--file") await runFile(rest[0] ?? "");
else if (flag === "--document")
  console.log(`wrote ${PAGE}: ${(await documentBenches(PAGE, OUT, rest)).join(", ")}`);
else await runAll(process.argv.slice(2));

/** Runs the benches called `names`, or all. The first failure ends the run and sets the exit code. */
async function runAll(names: readonly string[]): Promise<void> {
  const files: string[] = [];
  for await (const file of glob(["packages/*/bench/*.bench.ts", "tools/bench/*.bench.ts"], { cwd: ROOT })) {
    files.push(file);
  }
  const known = files.sort().map((file) => ({ file, name: fileName(file) }));
  const unknown = names.find((name) => !known.some((bench) => bench.name === name));
  if (unknown !== undefined) {
    const all = known.map((bench) => bench.name).join(", ");
    console.error(
      `bench: there is no "${unknown}", expected one of: ${all}. Name a file *.bench.ts to add one.`,
    );
    process.exitCode = 1;
    return;
  }
  for (const { file, name } of known) {
    if (names.length > 0 && !names.includes(name)) continue;
    process.exitCode = await runInChild(file);
    if (process.exitCode !== 0) return;
    console.log();
  }
}

/** "packages/tensor/bench/mat-mul.bench.ts" is called "mat-mul". */
function fileName(file: string): string {
  return file.replace(/^.*[/\\]/, "").replace(/\.bench\.ts$/, "");
}

function runInChild(file: string): Promise<number> {
  const args = [
    "--conditions=@corenet/source",
    "--expose-gc",
    fileURLToPath(import.meta.url),
    "--file",
    file,
  ];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
  // The child stops between two runs, cleans up, and decides the exit code; a terminal has told it already.
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => {
      process.off("SIGINT", forward).off("SIGTERM", forward);
      done(code ?? 1);
    });
  });
}

async function runFile(file: string): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new Error("bench: interrupted."));
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const loaded: { default?: Partial<Bench> } = await import(join(ROOT, file));
  const { name, description, run } = loaded.default ?? {};
  if (name !== fileName(file) || !description || !run) {
    throw new TypeError(
      `bench: ${relative(ROOT, join(ROOT, file))} exports name ${JSON.stringify(name)}, expected a default export ` +
        `{ name: "${fileName(file)}", description, run }. Name it after its file.`,
    );
  }
  const options = { directory: OUT, signal: interrupted.signal, print: console.log };
  await runBench({ name, description, run }, options).catch((error: unknown) => {
    if (!interrupted.signal.aborted) throw error;
    console.error("bench: interrupted, nothing was written.");
    process.exitCode = 130;
  });
}
