import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checkDeclarations, resolutions } from "../release/check-declarations.ts";
import { packedApp } from "../release/packed-app.ts";
import { type Outcome, root, run, single, together } from "./outcome.ts";

/**
 * The packages as their users get them: built, packed, installed from their tarballs into an empty app outside the
 * repository, and used there. One test each: the installation, every program of tools/test/packed in plain Node, and
 * the declarations under both module resolutions with nothing skipped.
 */
export async function packedTests(): Promise<Outcome> {
  const { app } = await packedApp();
  const outcomes = [single(true, "")];
  const programs = readdirSync(join(root, "tools/test/packed")).sort();
  for (const program of programs) outcomes.push(await runProgram(app, program));
  for (const resolution of resolutions) outcomes.push(await checkDeclarations(app, resolution));
  return together(outcomes);
}

async function runProgram(app: string, program: string): Promise<Outcome> {
  copyFileSync(join(root, "tools/test/packed", program), join(app, program));
  const { code, output } = await run(process.execPath, [program], { cwd: app });
  return single(code === 0, `\n${program} in an empty app:\n${output}`);
}
