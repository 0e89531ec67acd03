import { run } from "../test/outcome.ts";

/** Runs npm in a folder: the one that called us, or else the one on the path. */
export function npm(args: readonly string[], cwd: string): Promise<{ code: number; output: string }> {
  const quiet = [...args, "--no-audit", "--no-fund", "--loglevel=error"];
  const cli = process.env.npm_execpath; // set where npm called us
  return cli?.endsWith(".js") ? run(process.execPath, [cli, ...quiet], { cwd }) : run("npm", quiet, { cwd });
}
