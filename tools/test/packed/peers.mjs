// Apps that lack TensorFlow.js, or have another version of it, are told so in one sentence.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "corenet-peers-"));
const modules = join(folder, "node_modules");
const program = `
  import { cpu } from "@corenet/backend-cpu";
  import { useBackend } from "@corenet/tensor";
  await useBackend(cpu());
`;

/** What the program writes to stderr. */
function complaint() {
  writeFileSync(join(folder, "program.mjs"), program);
  const { status, stderr } = spawnSync(process.execPath, ["program.mjs"], { cwd: folder, encoding: "utf8" });
  assert.notEqual(status, 0);
  return stderr;
}

try {
  for (const name of ["core", "tensor", "backend-cpu"]) {
    cpSync(`node_modules/@corenet/${name}`, join(modules, "@corenet", name), { recursive: true });
  }
  assert.match(complaint(), /Cannot find package '@tensorflow\/tfjs-core' imported from/);

  const other = join(modules, "@tensorflow/tfjs-core");
  mkdirSync(other, { recursive: true });
  const real = createRequire(join(process.cwd(), "app.mjs")).resolve("@tensorflow/tfjs-core");
  writeFileSync(join(other, "package.json"), JSON.stringify({ version: "4.20.0", main: "index.cjs" }));
  writeFileSync(
    join(other, "index.cjs"),
    `module.exports = require(${JSON.stringify(real)});\nmodule.exports.version_core = "4.20.0";\n`,
  );
  assert.match(
    complaint(),
    /BackendError: useBackend: @tensorflow\/tfjs-core is 4\.20\.0 here, expected 4\.22\.0\./,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
