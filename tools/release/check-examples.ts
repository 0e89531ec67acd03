import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { type Outcome, root, run, single, together } from "../test/outcome.ts";
import { firstExample } from "../testing/first-example.ts";
import { installedNames } from "./check-declarations.ts";

/** SwiftShader, which Debian's Chromium brings: WebGPU in Node on machines without a GPU. */
const softwareGpu = "/usr/lib/chromium/vk_swiftshader_icd.json";

/**
 * Runs the first example of every package's README, and of the repository's own, in an app that has installed the
 * packages, compiled to the packages' own target: Node 22 has no `using`. One test each.
 *
 * @param node - the program
 */
export async function checkExamples(app: string, node: string): Promise<Outcome> {
  const readmes = new Map([["README.md", join(root, "README.md")]]);
  for (const name of installedNames(app)) readmes.set(name, join(app, "node_modules", name, "README.md"));
  makeNotes(app, [...readmes.values()]);

  const version = (await run(node, ["--version"])).output.trim();
  const env: Record<string, string> = existsSync(softwareGpu) ? { VK_ICD_FILENAMES: softwareGpu } : {};
  const outcomes: Outcome[] = [];
  for (const [name, readme] of readmes) {
    const source = firstExample(readFileSync(readme, "utf8"), name);
    const { code: program } = await transform(source, { loader: "ts", format: "esm", target: "es2022" });
    writeFileSync(join(app, "example.mjs"), program);
    const { code, output } = await run(node, ["example.mjs"], { cwd: app, env });
    outcomes.push(single(code === 0, `\nthe first example of ${name} on Node ${version}:\n${output}`));
  }
  return together(outcomes);
}

/** The folder of texts that the example of `corenet` trains on. */
function makeNotes(app: string, texts: readonly string[]): void {
  const notes = join(app, "notes");
  mkdirSync(notes, { recursive: true });
  for (const [i, path] of texts.entries()) copyFileSync(path, join(notes, `${i}.md`));
}
