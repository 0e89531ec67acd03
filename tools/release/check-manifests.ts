import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { type Outcome, root, run, single, together } from "../test/outcome.ts";

/**
 * What publint and Are The Types Wrong say about each tarball, one test each. ESM only, so what `require` and Node 10
 * would find is left out.
 */
export async function checkManifests(tarballs: readonly string[]): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const tarball of tarballs) outcomes.push(await lint(tarball), await checkTypes(tarball));
  return together(outcomes);
}

async function lint(tarball: string): Promise<Outcome> {
  const { buffer } = new Uint8Array(readFileSync(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
  const lines = messages.map((message) => formatMessage(message, pkg, { color: false }));
  return single(lines.length === 0, `\npublint, ${basename(tarball)}:\n${lines.join("\n")}\n`);
}

async function checkTypes(tarball: string): Promise<Outcome> {
  const attw = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
  const scripts = ["--exclude-entrypoints", "worker.js"]; // to be served, not to be imported
  const flags = ["--profile", "esm-only", "--format", "ascii", "--no-color", "--no-emoji", ...scripts];
  const { code, output } = await run(process.execPath, [attw, tarball, ...flags]);
  return single(code === 0, `\nattw, ${basename(tarball)}:\n${output}`);
}
