// `npm test`: every check of the repository, one line each, and last `N passed, N failed, N skipped`.
// `npm test -- packages/core`: unit and browser tests of the files whose path contains an argument; the
// other checks run in full.
import { checkPlayground } from "../docs/check-playground.ts";
import { bundleSizes, sizeOutcome } from "../release/bundle-size.ts";
import { checkManifests } from "../release/check-manifests.ts";
import { packedApp } from "../release/packed-app.ts";
import { appTests } from "./apps.ts";
import { browserTests } from "./browser.ts";
import { nx, type Outcome, single } from "./outcome.ts";
import { packedTests } from "./packed.ts";
import { runChecks } from "./run-checks.ts";
import { lesserUnitTests, unitTests } from "./unit.ts";

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
  "unit tests, less": () => lesserUnitTests(filters),
  "browser tests": () => browserTests(filters),
  "docs site": () => target("docs"),
  playground: checkPlayground,
  "packed packages": packedTests,
  apps: async () => appTests((await packedApp()).app),
  "publint and attw": async () => checkManifests((await packedApp()).tarballs),
  "bundle sizes": async () => sizeOutcome(await bundleSizes((await packedApp()).app)),
};

await runChecks(checks);
