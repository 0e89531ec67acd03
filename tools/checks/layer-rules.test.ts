import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkLayers } from "./layer-rules.ts";

const table = { core: 0, tensor: 1, nn: 2, "backend-cpu": 2, openelm: 3, corenet: 4 };
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "layers "));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function write(path: string, text: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** A package whose index.ts is `source`, and whose manifest depends on what `lists` names. */
function writePackage(
  folder: string,
  source = "export const x = 1;\n",
  lists: { dependencies?: string[]; peerDependencies?: string[]; devDependencies?: string[] } = {},
): void {
  const versions = Object.entries(lists).map(([list, names]) => [
    list,
    Object.fromEntries(names.map((name) => [name, "0.0.0"])),
  ]);
  const name = folder === "corenet" ? "corenet" : `@corenet/${folder}`;
  const manifest = { name, exports: { ".": "./src/index.ts" }, ...Object.fromEntries(versions) };
  write(`packages/${folder}/package.json`, JSON.stringify(manifest));
  write(`packages/${folder}/src/index.ts`, source);
}

test("is content with imports from lower layers that the package.json declares", () => {
  writePackage("core", 'import { join } from "node:path";\nexport { join };\nexport { y } from "./y.ts";\n');
  write("packages/core/src/y.ts", "export const y = 1;\n");
  writePackage("tensor", 'export * from "@corenet/core";\nimport "@tensorflow/tfjs-core";\n', {
    dependencies: ["@corenet/core"],
    peerDependencies: ["@tensorflow/tfjs-core"],
  });
  writePackage("backend-cpu", 'import "@corenet/tensor";\n', { dependencies: ["@corenet/tensor"] });
  writePackage("corenet", 'const cpu = await import("@corenet/backend-cpu");\n', {
    dependencies: ["@corenet/backend-cpu"],
  });
  expect(checkLayers(root, table)).toEqual([]);
});

test("refuses an import from a higher layer, wherever it hides", () => {
  writePackage("nn");
  for (const source of [
    '\nimport { x } from "@corenet/nn";\n',
    '\nimport type { x } from "@corenet/nn";\n',
    '\nexport { x } from "@corenet/nn";\n',
    '\nawait import("@corenet/nn");\n',
    '\ntype X = import("@corenet/nn").X;\n',
  ]) {
    writePackage("core", source);
    expect(checkLayers(root, table)).toEqual([
      "packages/core/src/index.ts:2: core (layer 0) imports nn (layer 2), allowed: nothing.",
    ]);
  }
});

test("does not mistake a comment or a text for an import", () => {
  writePackage("nn");
  writePackage("core", '// import "@corenet/nn";\nexport const x = \'import "@corenet/nn"\';\n');
  expect(checkLayers(root, table)).toEqual([]);
});

test("refuses an import from the same layer and names what is allowed", () => {
  writePackage("core");
  writePackage("backend-cpu");
  writePackage("nn", 'import "@corenet/backend-cpu";\n');
  expect(checkLayers(root, table)).toEqual([
    "packages/nn/src/index.ts:1: nn (layer 2) imports backend-cpu (layer 2), allowed: core.",
  ]);
});

test("refuses a backend in an algorithm, though it lies lower", () => {
  writePackage("core");
  writePackage("backend-cpu");
  writePackage("openelm", 'import "@corenet/backend-cpu";\n', { dependencies: ["@corenet/backend-cpu"] });
  expect(checkLayers(root, table)).toEqual([
    "packages/openelm/src/index.ts:1: openelm (layer 3) imports backend-cpu (layer 2), allowed: core.",
    "packages/openelm/package.json: openelm (layer 3) depends on backend-cpu (layer 2). Remove it.",
  ]);
});

test("refuses TensorFlow.js outside tensor and the backends", () => {
  writePackage("nn", 'import { add } from "@tensorflow/tfjs-core";\n', {
    dependencies: ["@tensorflow/tfjs-core"],
  });
  expect(checkLayers(root, table)).toEqual([
    "packages/nn/src/index.ts:1: nn imports @tensorflow/tfjs-core, allowed: tensor and the backends only. " +
      "Use what @corenet/tensor exports.",
  ]);
});

test("refuses deep imports, by name and by path", () => {
  writePackage("core");
  writePackage(
    "tensor",
    'import "@corenet/core/src/rng.ts";\nimport "../../core/src/rng.ts";\nimport "../../../x.ts";\n',
  );
  expect(checkLayers(root, table)).toEqual([
    'packages/tensor/src/index.ts:1: tensor imports "@corenet/core/src/rng.ts", which @corenet/core does not ' +
      'export. Import "@corenet/core".',
    'packages/tensor/src/index.ts:2: tensor reaches into "../../core/src/rng.ts". Import the other package by its name.',
    'packages/tensor/src/index.ts:3: tensor imports "../../../x.ts" from outside its folder. Only tests may.',
  ]);
});

test("wants package.json to say what the sources import, and no more", () => {
  writePackage("core");
  writePackage("tensor", 'import "@corenet/core";\nimport "left-pad";\nimport "path";\n');
  writePackage("nn", undefined, { dependencies: ["@corenet/tensor"] });
  expect(checkLayers(root, table)).toEqual([
    "packages/nn/package.json: nn depends on @corenet/tensor and imports it nowhere in src. Remove it.",
    "packages/tensor/src/index.ts:1: tensor imports @corenet/core, which its package.json does not declare. " +
      "Add it to dependencies.",
    "packages/tensor/src/index.ts:2: tensor imports left-pad, which its package.json does not declare. " +
      "Add it to dependencies.",
    'packages/tensor/src/index.ts:3: tensor imports "path". Write "node:path".',
  ]);
});

test("lets a test import itself by name, the tools, and another package as a devDependency only", () => {
  writePackage("openelm");
  writePackage("nn", undefined, { devDependencies: ["@corenet/openelm"] });
  const own = 'import "@corenet/nn";\nimport "vitest";\nimport "../../../tools/testing/tensors.ts";\n';
  write("packages/nn/test/all.test.ts", `${own}import "@corenet/openelm";\n`);
  expect(checkLayers(root, table)).toEqual([]);

  writePackage("nn");
  expect(checkLayers(root, table)).toEqual([
    "packages/nn/test/all.test.ts:4: nn (layer 2) imports openelm (layer 3), allowed: nothing, and its devDependencies.",
  ]);
});

test("finds an import cycle between files, but not one of types or of imports on demand", () => {
  writePackage("core", 'import "./a.ts";\n');
  write("packages/core/src/a.ts", 'import "./b.ts";\n');
  write("packages/core/src/b.ts", 'import type { A } from "./a.ts";\nimport("./c.ts");\n');
  write("packages/core/src/c.ts", 'import "./a.ts";\n');
  expect(checkLayers(root, table)).toEqual([]);

  write("packages/core/src/b.ts", 'export { a } from "./a.ts";\n');
  expect(checkLayers(root, table)).toEqual([
    "packages/core/src/a.ts: import cycle packages/core/src/a.ts -> packages/core/src/b.ts -> " +
      "packages/core/src/a.ts. Move what they share into a file of its own.",
  ]);
});

test("finds what is imported on demand and imports who demands it", () => {
  writePackage("core", 'import "./op.ts";\n');
  write("packages/core/src/op.ts", 'export const kernel = () => import("./wasm.ts");\n');
  write("packages/core/src/wasm.ts", 'import type { Attrs } from "./op.ts";\n');
  expect(checkLayers(root, table)).toEqual([]);

  write("packages/core/src/wasm.ts", 'import { type Attrs, isSmall } from "./op.ts";\n');
  expect(checkLayers(root, table)).toEqual([
    "packages/core/src/wasm.ts: it is imported on demand by packages/core/src/op.ts, and imports it. " +
      "Move what they share into a file of its own.",
  ]);
});

test("refuses a package that the table does not know", () => {
  writePackage("mystery");
  expect(checkLayers(root, table)).toEqual([
    "packages/mystery: it has no layer. Add it to tools/checks/layers.json.",
  ]);
});
