import { readFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { defineConfig, type Options } from "tsup";

interface Manifest {
  exports: Record<string, { "@corenet/source": string; default: string }>;
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
    ...Object.values(exports).map((entry) => [stem(entry.default), entry["@corenet/source"]]),
    ...Object.values(bin).map((file) => [stem(file), `src/${stem(file)}.ts`]),
  ]);
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
  onSuccess: () => copyFile("../../LICENSE", "dist/LICENSE"), // a tarball holds only what lies in the package
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
