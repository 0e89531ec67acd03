import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../test/outcome.ts";

const scripts = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;
const workflows = globSync(".github/workflows/*.yml", { cwd: root });

test.each(workflows)("%s runs only what is there", (path) => {
  const text = readFileSync(join(root, path), "utf8");
  const named = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name as string);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
  const files = [...text.matchAll(/run: (\.\S+)/g)].map(([, file]) => file as string);
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect(named.length + files.length).toBeGreaterThan(0);
});
