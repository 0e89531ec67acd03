// `npm test`: every check of the repository, one line each, and last `N passed, N failed, N skipped`.
// `npm test -- packages/core`: unit tests of the files whose path contains an argument; the other checks run in full.
import { nx, type Outcome, single } from "./outcome.ts";
import { packedTests } from "./packed.ts";
import { unitTests } from "./unit.ts";

const filters = process.argv.slice(2);

/** One nx target is one test. */
async function target(name: string): Promise<Outcome> {
  const { code, output } = await nx(["run", `corenet-js:${name}`]);
  return single(code === 0, output);
}

const checks: Record<string, () => Promise<Outcome>> = {
  "generated kernels": () => target("kernels"),
  types: () => target("typecheck"),
  "lint and format": () => target("lint"),
  layers: () => target("layers"),
  "unused code": () => target("unused"),
  "unit tests": () => unitTests(filters),
  "packed packages": packedTests,
};

const total = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];
for (const [name, check] of Object.entries(checks)) {
  const start = performance.now();
  const { passed, failed, skipped, output } = await check();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);

  if (failed > 0) console.log(output);
  const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  const line = `${failed > 0 ? "FAIL" : "ok  "}  ${name.padEnd(18)} ${counts.padEnd(36)} ${seconds.padStart(6)} s`;
  console.log(line);
  lines.push(line);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

console.log(`\n${lines.join("\n")}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
