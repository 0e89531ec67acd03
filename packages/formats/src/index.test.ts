import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

test("no source file imports from Node, so bundlers for the browser take the package", async () => {
  const names = (await readdir(import.meta.dirname)).filter((name) => !name.endsWith(".test.ts"));
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) {
    const text = await readFile(new URL(name, import.meta.url), "utf8");
    expect(text, name).not.toMatch(/(from|import\()\s*"node:/);
  }
});
