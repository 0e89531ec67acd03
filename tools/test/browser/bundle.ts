import { relative } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import { root } from "../outcome.ts";

/** What tests import that a browser loads, too. Any other package that a test names is for Node. */
const browserPackages = /^(@corenet\/|corenet$|vitest|fast-check$|@tensorflow\/)/;

const nodeOutside: Plugin = {
  name: "what is for Node stays outside",
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
      if (path.startsWith("node:")) return { path, external: true };
      const isTest = /^(packages\/[^/]+\/(src\/.*\.test\.ts|test\/)|tools\/)/.test(relative(root, importer));
      if (isTest && kind !== "entry-point" && !browserPackages.test(path)) return { path, external: true };
      return undefined;
    });
  },
};

export interface TestBundle {
  /** Address on the server to contents. */
  files: Map<string, Uint8Array>;
  /** Test files that a browser can run, as paths in the repository. */
  tests: string[];
  /** Those of them that use a backend; what the others find does not depend on threads. */
  withBackend: ReadonlySet<string>;
}

/**
 * Test files as modules for a browser, sharing chunks. A file that imports Node's modules, itself or through its
 * helpers, is for Node alone and is left out.
 *
 * @throws Error when it is a package that imports Node's modules: no browser could load that package
 */
export async function bundleTests(tests: readonly string[]): Promise<TestBundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...tests, "tools/test/browser/page.ts", "tools/test/browser/worker.ts"],
    outdir: "/",
    outbase: ".",
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    conditions: ["@corenet/source"],
    plugins: [nodeOutside],
    external: ["webgpu"], // an optional peer of backend-webgpu, in Node
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const reachOf = new Map(tests.map((test) => [test, reach(test, metafile.inputs)]));
  const runnable = tests.filter((test) => !reachOf.get(test)?.importsNode);
  return {
    files: new Map(outputFiles.map(({ path, contents }) => [path, contents])),
    tests: runnable,
    withBackend: new Set(
      runnable.filter((test) =>
        [...(reachOf.get(test)?.files ?? [])].some((file) => file.startsWith("packages/backend-")),
      ),
    ),
  };
}

/** All that a file loads when it is imported. */
function reach(test: string, inputs: Metafile["inputs"]): { files: Set<string>; importsNode: boolean } {
  const files = new Set([test]);
  let importsNode = false;
  for (const file of files) {
    for (const { kind, path, external } of inputs[file]?.imports ?? []) {
      if (kind !== "import-statement" || path === "<runtime>") continue; // the latter are esbuild's own helpers
      if (external) {
        checkPackageFile(file, path);
        importsNode = true;
      } else files.add(path);
    }
  }
  return { files, importsNode };
}

/** corenet is excepted: its main entry is for browsers, its command is not. tools/test/apps.ts loads that entry there. */
function checkPackageFile(file: string, imported: string): void {
  if (!/^packages\/[^/]+\/src\//.test(file) || file.endsWith(".test.ts")) return;
  if (file.startsWith("packages/corenet/")) return;
  throw new Error(
    `${file} imports ${imported}, expected no module of Node: browsers could not load its package. ` +
      "Import it where it is used.",
  );
}
