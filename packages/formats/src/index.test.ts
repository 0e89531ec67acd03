import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

test("no source file imports from Node, so bundlers for the browser take the package", async () => {
  const all = await readdir(import.meta.dirname, { recursive: true });
  const names = all.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  expect(names.length).toBeGreaterThan(40);
  for (const name of names) {
    const text = await readFile(new URL(name, import.meta.url), "utf8");
    expect(text, name).not.toMatch(/(from|import\()\s*"node:/);
  }
});
