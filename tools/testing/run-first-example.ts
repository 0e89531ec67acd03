import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { firstExample } from "./first-example.ts";

/**
 * Runs the first TypeScript block of packages/`name`/README.md in a plain Node of its own, and gives what it printed.
 *
 * @throws Error with what it wrote to stderr, when it fails
 */
export async function runFirstExample(name: string): Promise<string> {
  const folder = new URL(`../../packages/${name}/`, import.meta.url);
  const readme = await readFile(new URL("README.md", folder), "utf8");
  const code = firstExample(readme, name);
  const flags = ["--conditions=@corenet/source", "--input-type=module-typescript", "-"];
  const child = spawn(process.execPath, flags, { cwd: fileURLToPath(folder) });
  let [printed, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  child.stdin.end(code);
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  if (exitCode === 0) return printed;
  throw new Error(`runFirstExample: the README of ${name} ended with ${exitCode}, expected 0:\n${errors}`);
}
