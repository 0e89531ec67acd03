import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Metafile, type Plugin } from "esbuild";
import { type Outcome, root, single } from "../test/outcome.ts";
import { installedNames } from "./check-declarations.ts";

/** What an app downloads for an import: minified by esbuild, with the chunks that are loaded on demand, in gzip. */
export interface BundleSize {
  /** Bytes of JavaScript, in gzip. */
  readonly code: number;
  /** Bytes of WebAssembly in base64 modules, in gzip: all builds of them, of which a machine loads one. */
  readonly binary: number;
}

/** A line of size-budgets.json. */
interface Budget {
  /** What is imported. @default everything that the entry point of this name exports */
  readonly program?: string;
  /** Whether what is imported on demand counts. @default true */
  readonly onDemand?: boolean;
  /** Most gzip bytes of code, in thousands, beside the WebAssembly. */
  readonly kB: number;
}

export interface SizeRow extends BundleSize {
  readonly name: string;
  /** undefined where nobody has written one down. */
  readonly budget: number | undefined;
}

/** A string that starts as every WebAssembly file does. Bundlers leave such a module in a chunk of its own. */
const wasmInBase64 = /["'`]AGFzbQ/;

const budgetFile = "tools/release/size-budgets.json";

/** The size of every entry point and of every program in the budget file, as an app that installed them bundles them. */
export async function bundleSizes(app: string): Promise<SizeRow[]> {
  const budgets: Record<string, Budget> = JSON.parse(readFileSync(join(root, budgetFile), "utf8"));
  const names = new Set([...Object.keys(budgets), ...entryPoints(app)]);
  const rows: SizeRow[] = [];
  for (const name of names) {
    const { program = `export * from "${name}";`, onDemand = true, kB } = budgets[name] ?? {};
    const size = await bundleSize(app, program, onDemand);
    rows.push({ name, ...size, budget: kB === undefined ? undefined : kB * 1000 });
  }
  return rows;
}

/** The lines that are above their budget, or have none. */
export function sizeOutcome(rows: readonly SizeRow[]): Outcome {
  const over = rows.filter(({ code, budget }) => budget === undefined || code > budget);
  const lines = over.map(({ name, code, budget }) =>
    budget === undefined
      ? `${name} has ${code} bytes of code in gzip and no budget. Write one into ${budgetFile}.`
      : `${name} has ${code} bytes of code in gzip, expected at most ${budget}. Find out what came in ` +
        `(esbuild's metafile says), or raise its budget in ${budgetFile}.`,
  );
  const { length } = rows;
  return {
    ...single(over.length === 0, `\n${lines.join("\n")}\n`),
    passed: length - over.length,
    failed: over.length,
  };
}

/** The rows for people, in thousands of bytes. */
export function sizeTable(rows: readonly SizeRow[]): string {
  const kB = (bytes: number) => (bytes / 1000).toFixed(1).padStart(9);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, code, binary, budget }) => {
    const allowed = budget === undefined ? "     none" : kB(budget);
    return `${name.padEnd(width)} ${kB(code)} ${allowed} ${kB(binary)}`;
  });
  return [`${"gzip kB".padEnd(width)}      code    budget    binary`, ...lines].join("\n");
}

/** Every name that an app can import from our packages. */
function entryPoints(app: string): string[] {
  return installedNames(app).flatMap((name) => {
    const manifest = JSON.parse(readFileSync(join(app, "node_modules", name, "package.json"), "utf8"));
    return Object.entries(manifest.exports)
      .filter(([, target]) => typeof target !== "string") // a script for workers, with nothing to import
      .map(([entry]) => name + entry.slice(1));
  });
}

async function bundleSize(app: string, program: string, onDemand: boolean): Promise<BundleSize> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: app,
    stdin: { contents: program, resolveDir: app },
    ...{ bundle: true, minify: true, splitting: true, format: "esm", outdir: join(app, "bundle") },
    ...{ write: false, metafile: true, logLevel: "silent", external: ["node:*"] },
    // What only Node can run is bundled for it; esbuild refuses its modules elsewhere.
    platform: program.includes("/node") ? "node" : "browser",
    plugins: onDemand ? [] : [withoutDynamicImports],
  });
  const wanted = new Set(reachable(metafile).map((path) => join(app, path)));
  let [code, binary] = [0, 0];
  for (const { path, contents, text } of outputFiles) {
    if (!wanted.has(path)) continue;
    const bytes = gzipSync(contents, { level: 9 }).length;
    if (wasmInBase64.test(text)) binary += bytes;
    else code += bytes;
  }
  return { code, binary };
}

/** The chunks that the entry can ask for. esbuild also writes those that only dropped code would have asked for. */
function reachable({ outputs }: Metafile): string[] {
  const found = Object.keys(outputs).filter((path) => outputs[path]?.entryPoint === "<stdin>");
  for (const path of found) {
    for (const { path: next } of outputs[path]?.imports ?? []) {
      if (outputs[next] && !found.includes(next)) found.push(next);
    }
  }
  return found;
}

const withoutDynamicImports: Plugin = {
  name: "without dynamic imports",
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ kind, path }) =>
      kind === "dynamic-import" ? { path, external: true } : undefined,
    );
  },
};
