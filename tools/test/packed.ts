import { copyFileSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nx, type Outcome, root, run, single } from "./outcome.ts";

/**
 * The packages as their users get them: built, packed, installed from their tarballs into an empty app outside the
 * repository, and used there. One test each: the installation, every program of tools/test/packed in plain Node, and
 * the declarations under both module resolutions with nothing skipped.
 */
export async function packedTests(): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "corenet-packed-"));
  const tarballs = join(folder, "tarballs");
  const app = join(folder, "app");
  mkdirSync(tarballs);
  mkdirSync(app);
  try {
    const installed = await install(tarballs, app);
    if (installed.failed > 0) return installed;

    const programs = readdirSync(join(root, "tools/test/packed")).sort();
    const outcomes = [installed];
    for (const program of programs) outcomes.push(await runProgram(app, program));
    for (const resolution of ["nodenext", "bundler"]) outcomes.push(await checkTypes(app, resolution));
    return {
      passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
      failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
      skipped: 0,
      output: outcomes.map(({ failed, output }) => (failed > 0 ? output : "")).join(""),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function install(tarballs: string, app: string): Promise<Outcome> {
  const build = await nx(["run-many", "-t", "build"]);
  if (build.code !== 0) return single(false, build.output);

  const pack = await npm(["pack", "--workspaces", "--pack-destination", tarballs], root);
  if (pack.code !== 0) return single(false, pack.output);

  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  const files = globSync("*.tgz", { cwd: tarballs }).map((file) => join(tarballs, file));
  const { code, output } = await npm(["install", "--prefer-offline", ...files], app);
  return single(code === 0, output);
}

function npm(args: readonly string[], cwd: string): Promise<{ code: number; output: string }> {
  const quiet = [...args, "--no-audit", "--no-fund", "--loglevel=error"];
  const cli = process.env.npm_execpath; // set by `npm test`
  return cli?.endsWith(".js") ? run(process.execPath, [cli, ...quiet], { cwd }) : run("npm", quiet, { cwd });
}

async function runProgram(app: string, program: string): Promise<Outcome> {
  copyFileSync(join(root, "tools/test/packed", program), join(app, program));
  const { code, output } = await run(process.execPath, [program], { cwd: app });
  return single(code === 0, `\n${program} in an empty app:\n${output}`);
}

/** Compiles a program that imports every package, with library checks on and without the types of Node. */
async function checkTypes(app: string, resolution: string): Promise<Outcome> {
  const names = globSync("{corenet,@corenet/*}/package.json", { cwd: join(app, "node_modules") }).map(
    (path) => path.replace(/[\\/]package\.json$/, "").replaceAll("\\", "/"),
  );
  const source = names
    .map((name, i) => `import * as p${i} from ${JSON.stringify(name)};\nvoid p${i};\n`)
    .join("");
  writeFileSync(join(app, "types.ts"), source);

  const compilerOptions = {
    ...{ target: "es2022", lib: ["es2022", "esnext.disposable", "dom"], types: [] },
    ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true },
    ...{ module: resolution === "nodenext" ? "nodenext" : "preserve", moduleResolution: resolution },
  };
  const config = `tsconfig.${resolution}.json`;
  writeFileSync(join(app, config), JSON.stringify({ compilerOptions, files: ["types.ts"] }));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { code, output } = await run(process.execPath, [tsc, "-p", config], { cwd: app });
  return single(code === 0, `\ndeclarations under ${resolution}:\n${output}`);
}
