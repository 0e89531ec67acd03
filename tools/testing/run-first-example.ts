import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { firstExample } from "./first-example.ts";
import { runProgram } from "./run-program.ts";

/**
 * Runs the first TypeScript block of packages/`name`/README.md in a plain Node of its own, and gives what it printed.
 *
 * @throws Error with what it wrote to stderr, when it fails
 */
export async function runFirstExample(name: string): Promise<string> {
  const folder = new URL(`../../packages/${name}/`, import.meta.url);
  const readme = await readFile(new URL("README.md", folder), "utf8");
  return runProgram(firstExample(readme, name), {
    cwd: fileURLToPath(folder),
    name: `the README of ${name}`,
  });
}
