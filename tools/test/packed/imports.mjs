// Every installed package loads in plain Node, exports something, and leaves nothing global but tfjs-core's own two names.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

const names = [...readdirSync("node_modules/@corenet").map((folder) => `@corenet/${folder}`), "corenet"];
const before = new Set(Reflect.ownKeys(globalThis));

for (const name of names) {
  const manifest = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  for (const [entry, target] of Object.entries(manifest.exports)) {
    if (typeof target === "string") continue; // a script for workers, with nothing to import
    const module = await import(name + entry.slice(1));
    assert.ok(Object.keys(module).length > 0, `${name}: ${entry} exports nothing`);
  }
}
const added = Reflect.ownKeys(globalThis).filter((key) => !before.has(key));
assert.deepEqual(
  added.filter((key) => key !== "_tfGlobals" && key !== "_tfengine"),
  [],
);
