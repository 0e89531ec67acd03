// Infers every nx target, so that a package holds no config of its own.
// Plain JavaScript: nx loads it before anything is built.
import { dirname } from "node:path";

const root = "corenet-js"; // the root package's name
// Git-ignored files (dist, generated, node_modules) never count.
const everything = ["{workspaceRoot}/**/*"];
const sources = [
  "{workspaceRoot}/{packages,tools,golden}/**/*.{ts,mts,js,mjs,json}",
  "{workspaceRoot}/docs/.vitepress/**/*.ts",
  "{workspaceRoot}/*.{ts,json,jsonc}",
];
const kernelSources = ["{workspaceRoot}/packages/*/assembly/**/*", "{workspaceRoot}/tools/kernels/**/*"];

/** A cached command that runs at the root. Without `externalDependencies`, nx hashes the whole lock file too. */
function task(command, inputs, more = {}) {
  return {
    executor: "nx:run-commands",
    options: { command, cwd: "{workspaceRoot}" },
    cache: true,
    inputs: [...inputs, { runtime: "node --version" }],
    outputs: [],
    ...more,
  };
}

const kernelsFirst = { dependsOn: [{ projects: [root], target: "kernels" }] };

const rootTargets = {
  kernels: task("node tools/kernels/build.ts", kernelSources, {
    outputs: ["{workspaceRoot}/packages/*/src/generated"],
  }),
  typecheck: task("node node_modules/typescript/bin/tsc -p tsconfig.json", sources, kernelsFirst),
  lint: task("biome ci --error-on-warnings .", everything),
  layers: task("node tools/checks/layers.ts", sources, kernelsFirst),
  docs: task(
    "node --conditions=@corenet/source tools/docs/site.ts build",
    [
      ...sources,
      "{workspaceRoot}/docs/.vitepress/theme/**/*",
      "{workspaceRoot}/{docs,packages}/**/*.md",
      "{workspaceRoot}/{README,CONTRIBUTING}.md",
      ...kernelSources,
    ],
    { ...kernelsFirst, outputs: ["{workspaceRoot}/docs/.vitepress/dist", "{workspaceRoot}/docs/api"] },
  ),
  unused: task("node node_modules/knip/bin/knip.js --no-progress", sources, kernelsFirst),
};

/** `build` of one package: tsup with the one shared config, which reads the entries from the package's exports. */
function buildTarget() {
  const inputs = [
    "{projectRoot}/package.json",
    "source", // see nx.json
    "^source", // the declarations are computed from the sources of the packages below
    "{workspaceRoot}/tools/build/**/*",
    "{workspaceRoot}/tsconfig.json",
    "{workspaceRoot}/LICENSE",
    ...kernelSources, // what kernels are made from stands for the kernels, which git ignores
  ];
  const command =
    "node ../../node_modules/tsup/dist/cli-default.js --config ../../tools/build/tsup.config.ts";
  return task(command, inputs, {
    ...kernelsFirst,
    options: { command, cwd: "{projectRoot}" },
    outputs: ["{projectRoot}/dist"],
  });
}

export const name = "corenet-targets";

export const createNodes = [
  "{package.json,packages/*/package.json}",
  (files) =>
    files.map((file) => {
      const directory = dirname(file);
      const targets = directory === "." ? rootTargets : { build: buildTarget() };
      return [file, { projects: { [directory]: { targets } } }];
    }),
];
