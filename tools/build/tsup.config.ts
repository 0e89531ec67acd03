import { readFileSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { defineConfig, type Options } from "tsup";

interface Manifest {
  /** A path alone is a script that apps serve as a file of its own. */
  exports: Record<string, string | { "@corenet/source": string; default: string }>;
  bin?: Record<string, string>;
  unpkg?: string;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

// tsup runs in the package's folder; its package.json says everything that differs between packages.
const manifest: Manifest = JSON.parse(readFileSync("package.json", "utf8"));

/** `dist/index.js` is built from the source that the same export names; `dist/cli.js` of `bin` from `src/cli.ts`. */
function entries({ exports, bin = {} }: Manifest): Record<string, string> {
  const stem = (file: string) => basename(file, extname(file));
  return Object.fromEntries([
    ...Object.values(exports).flatMap((entry) =>
      typeof entry === "string" ? [] : [[stem(entry.default), entry["@corenet/source"]]],
    ),
    ...Object.values(bin).map((file) => [stem(file), `src/${stem(file)}.ts`]),
  ]);
}

/** `dist/worker.js` is the text that `workerSource` of `src/threads/worker-source.ts` is. */
async function writeScripts({ exports }: Manifest): Promise<void> {
  for (const file of Object.values(exports).filter((entry) => typeof entry === "string")) {
    const name = basename(file, ".js");
    const source = pathToFileURL(resolve(`src/threads/${name}-source.ts`));
    await writeFile(file, (await import(source.href))[`${name}Source`]);
  }
}

const everywhere = {
  format: "esm",
  target: "es2022",
  sourcemap: true,
  silent: true,
  tsconfig: "../../tsconfig.json",
} as const;

const modules = defineConfig({
  ...everywhere,
  entry: entries(manifest),
  platform: "neutral",
  dts: true,
  clean: true,
  async onSuccess() {
    await copyFile("../../LICENSE", "dist/LICENSE"); // a tarball holds only what lies in the package
    await writeScripts(manifest);
  },
  external: [
    /^node:/,
    ...Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).map(
      (dependency) => new RegExp(`^${dependency}(/|$)`),
    ),
  ],
});

/** All that the main entry needs in one file, for a page without a bundler; `unpkg` names it. */
function browserBundle(file: string): Options {
  return {
    ...everywhere,
    entry: { [basename(file, ".js")]: "src/index.ts" },
    platform: "browser",
    clean: false,
    splitting: false,
    minify: true,
    noExternal: [/./],
    esbuildOptions(options) {
      options.conditions = ["@corenet/source", "browser", "module", "import"];
    },
  };
}

export default manifest.unpkg ? [modules, browserBundle(manifest.unpkg)].flat() : modules;
