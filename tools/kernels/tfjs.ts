/**
 * The part of a TensorFlow.js backend that our ops run: its backend class and one kernel for each op, as one module
 * that imports nothing but @tensorflow/tfjs-core. The published backends register every kernel they have when they are
 * imported, and reach for tfjs-core's helpers through namespace objects, so that bundlers keep all of it.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build, type Plugin } from "esbuild";

const require = createRequire(import.meta.url);
const core = "@tensorflow/tfjs-core";
const coreFolder = join(dirname(require.resolve(`${core}/package.json`)), "dist");

/** What @corenet/tensor asks of a backend by name. A test runs every op on every backend. */
const vocabulary = [
  ...["Abs", "Add", "ArgMax", "BatchMatMul", "Cast", "Concat", "Equal", "Exp", "Fill", "GatherV2", "Greater"],
  ...[
    "GreaterEqual",
    "Identity",
    "IsFinite",
    "Less",
    "LessEqual",
    "Log",
    "LogicalAnd",
    "LogicalNot",
    "LogicalOr",
  ],
  ...[
    "Max",
    "Maximum",
    "Min",
    "Minimum",
    "Multiply",
    "Neg",
    "NotEqual",
    "OneHot",
    "PadV2",
    "RealDiv",
    "Relu",
  ],
  ...[
    "Reshape",
    "Rsqrt",
    "Select",
    "Sigmoid",
    "Sign",
    "Slice",
    "Softmax",
    "SplitV",
    "Sqrt",
    "Square",
    "Sub",
    "Sum",
  ],
  ...["Tanh", "Tile", "Transpose", "UnsortedSegmentSum", "ZerosLike"],
];

/** Namespaces that tfjs-core exports as objects, and the files whose functions they are. */
const namespaces: Readonly<Record<string, string>> = {
  backend_util: "backends/backend_util.js",
  broadcast_util: "ops/broadcast_util.js",
  gather_util: "ops/gather_nd_util.js",
  kernel_impls: "backends/kernel_impls.js",
  scatter_util: "ops/scatter_nd_util.js",
  slice_util: "ops/slice_util.js",
  tensor_util: "tensor_util.js",
  util: "util.js",
};

/** Files that hold the one engine of a realm, or need it: imported from tfjs-core, never copied. */
const stateful =
  /[\\/](engine|environment|flags|global_util|globals|gradients|kernel_registry|profiler|tape|tensor)\.js$/;

/** Where the backend comes from and which file of it has the class. */
const backends = {
  cpu: { from: "@tensorflow/tfjs-backend-cpu", file: "backend_cpu.js", className: "MathBackendCPU" },
  wasm: { from: "@tensorflow/tfjs-backend-wasm", file: "backend_wasm.js", className: "BackendWasm" },
} as const;

/** The files that a build depends on, beside this one. */
export function tfjsInputs(name: keyof typeof backends): string[] {
  return [require.resolve(`${core}/package.json`), require.resolve(`${backends[name].from}/package.json`)];
}

/** The module: `Backend`, its class, and `kernels`, their configurations. */
export async function bundleTfjs(name: keyof typeof backends): Promise<string> {
  const { from, file, className } = backends[name];
  const folder = join(dirname(require.resolve(`${from}/package.json`)), "dist");
  const present = new Set(
    readFileSync(join(folder, "register_all_kernels.js"), "utf8").match(/\w+Config\b/g),
  );
  const configs = vocabulary
    .map((kernel) => ({ kernel, config: `${kernel.charAt(0).toLowerCase()}${kernel.slice(1)}Config` }))
    .filter(({ config }) => present.has(config)); // where there is none, ours stands in for it
  const entry = [
    `export { ${className} as Backend } from "./${file}";`,
    ...configs.map(({ kernel, config }) => `import { ${config} } from "./kernels/${kernel}.js";`),
    `export const kernels = [${configs.map(({ config }) => config).join(", ")}];`,
  ];
  const { outputFiles } = await build({
    stdin: { contents: entry.join("\n"), resolveDir: folder },
    ...{
      bundle: true,
      format: "esm",
      target: "es2022",
      write: false,
      logLevel: "error",
      legalComments: "none",
    },
    plugins: [copyPureHelpers],
  });
  const { version } = JSON.parse(readFileSync(require.resolve(`${from}/package.json`), "utf8"));
  const notice =
    `/** @license From ${from} and ${core} ${version}. Copyright Google LLC. ` +
    "Licensed under the Apache License, Version 2.0. */";
  return `// @ts-nocheck: JavaScript\n${notice}\n${outputFiles[0]?.text}`;
}

const copyPureHelpers: Plugin = {
  name: "copy pure helpers",
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /tfjs-backend-[^\\/]*[\\/]dist[\\/].*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(
        /import \{([^}]*)\} from '@tensorflow\/tfjs-core';/g,
        (_, names: string) => names.split(",").map(importOne).join("\n"),
      ),
    }));
    // The loader of the file, its threads and its flags: backend-wasm starts the file itself.
    onResolve({ filter: /wasm-out\/|\/flags_wasm$/ }, () => ({ path: "nothing", namespace: "nothing" }));
    onLoad({ filter: /.*/, namespace: "nothing" }, () => ({
      contents: "export default undefined; export const wasmWorkerContents = undefined;",
    }));
    onResolve({ filter: /^\.\.?\// }, ({ path, importer }) => {
      if (!importer.startsWith(coreFolder)) return undefined;
      const file = join(dirname(importer), path.endsWith(".js") ? path : `${path}.js`);
      return stateful.test(file) ? { path: core, external: true } : undefined;
    });
    onResolve({ filter: /^@tensorflow\/tfjs-core$/ }, () => ({ path: core, external: true }));
  },
};

/** One name of an import from tfjs-core: a namespace of functions, a kernel's name, or what the engine shares. */
function importOne(spelled: string): string {
  const name = spelled.trim();
  const file = namespaces[name];
  if (file) return `import * as ${name} from ${JSON.stringify(join(coreFolder, file))};`;
  const isKernelName =
    /^_?[A-Z]/.test(name) && !["DataStorage", "KernelBackend", "TensorBuffer"].includes(name);
  const from = isKernelName ? join(coreFolder, "kernel_names.js") : core;
  return `import { ${name} } from ${JSON.stringify(from)};`;
}
