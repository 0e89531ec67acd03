import { readFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { defineConfig } from "tsup";

interface Manifest {
  exports: Record<string, { "@corenet/source": string; default: string }>;
  bin?: Record<string, string>;
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

export default defineConfig({
  entry: entries(manifest),
  format: "esm",
  target: "es2022",
  platform: "neutral",
  dts: true,
  sourcemap: true,
  clean: true,
  silent: true,
  tsconfig: "../../tsconfig.json",
  onSuccess: () => copyFile("../../LICENSE", "dist/LICENSE"), // a tarball holds only what lies in the package
  external: [
    /^node:/,
    ...Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).map(
      (dependency) => new RegExp(`^${dependency}(/|$)`),
    ),
  ],
});
