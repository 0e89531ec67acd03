import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkLayers } from "../checks/layer-rules.ts";
import { createPackage } from "./create-package.ts";

const description = 'Counts "sheep", $& all.';
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "new package "));
  mkdirSync(join(root, "packages/core"), { recursive: true });
  const core = { name: "@corenet/core", version: "1.2.3", exports: { ".": "./src/index.ts" } };
  writeFileSync(join(root, "packages/core/package.json"), JSON.stringify(core));
  mkdirSync(join(root, "tools"));
  cpSync(join(import.meta.dirname, "../checks/layers.json"), join(root, "tools/checks/layers.json"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

test("writes a package with its name, the common version and the description as given", () => {
  const files = createPackage(root, { name: "sheep-counter", description });
  expect(files).toContain("packages/sheep-counter/src/index.ts");
  expect(files).toContain("packages/sheep-counter/src/moving-average.test.ts");
  expect(JSON.parse(read("packages/sheep-counter/package.json"))).toMatchObject({
    name: "@corenet/sheep-counter",
    version: "1.2.3",
    description,
  });
  expect(read("packages/sheep-counter/README.md")).toContain(`# @corenet/sheep-counter\n\n${description}\n`);
});

test("gives it the layer of the algorithms, so that the layer check is content", () => {
  const files = createPackage(root, { name: "sheep-counter", description });
  expect(files).toContain("tools/checks/layers.json");
  const layers = JSON.parse(read("tools/checks/layers.json"));
  expect(layers["sheep-counter"]).toBe(layers.openelm);
  expect(checkLayers(root, layers)).toEqual([]);
});

test("keeps the layer of a package that was planned", () => {
  const before = read("tools/checks/layers.json");
  expect(createPackage(root, { name: "data", description })).not.toContain("tools/checks/layers.json");
  expect(read("tools/checks/layers.json")).toBe(before);
});

test.each(["", "Sheep", "two words", "a--b", "-a", "a-", "../x", "9lives", "a".repeat(51)])(
  "refuses the name %j",
  (name) => {
    expect(() => createPackage(root, { name, description })).toThrow(`new: the name is "${name}", expected`);
  },
);

test("refuses a name that is taken", () => {
  expect(() => createPackage(root, { name: "core", description })).toThrow(
    "packages/core exists, expected a new",
  );
});

test.each(["", "  ", "two\nlines"])("refuses the description %j", (bad) => {
  expect(() => createPackage(root, { name: "sheep", description: bad })).toThrow("expected one line of text");
});
