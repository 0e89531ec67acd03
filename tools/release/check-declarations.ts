import { globSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, root, run, single } from "../test/outcome.ts";

export const resolutions = ["nodenext", "bundler"] as const;

/** The names of our packages that an app has installed. */
export function installedNames(app: string): string[] {
  return globSync("{corenet,@corenet/*}/package.json", { cwd: join(app, "node_modules") })
    .map((path) => path.replace(/[\\/]package\.json$/, "").replaceAll("\\", "/"))
    .sort();
}

/** Compiles a program that imports every package, with library checks on and without the types of Node. */
export async function checkDeclarations(
  app: string,
  resolution: (typeof resolutions)[number],
): Promise<Outcome> {
  const source = installedNames(app).map(
    (name, i) => `import * as p${i} from ${JSON.stringify(name)};\nvoid p${i};\n`,
  );
  writeFileSync(join(app, "types.ts"), source.join(""));

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
