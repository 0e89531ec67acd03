// `npm run release:check`: what a user gets, before anybody gets it. Packs every package, publishes to a registry that
// it starts itself, installs by name into an empty app, and uses the packages there. Needs the network and Chromium.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, root, single, together } from "../test/outcome.ts";
import { runChecks } from "../test/run-checks.ts";
import { bundleSizes, sizeOutcome, sizeTable } from "./bundle-size.ts";
import { checkBrowser } from "./check-browser.ts";
import { checkDeclarations } from "./check-declarations.ts";
import { checkExamples } from "./check-examples.ts";
import { checkManifests } from "./check-manifests.ts";
import { npm } from "./npm.ts";
import { createApp, installInto, packAll, temporaryFolder } from "./packed-app.ts";
import { startRegistry } from "./registry.ts";

const folder = temporaryFolder("release");
const app = join(folder, "app");
const tarballs = await packAll(join(folder, "tarballs"));
await using registry = await startRegistry(join(folder, "registry"));
createApp(app, registry);

/** The oldest Node that we support, and what the example of backend-webgpu needs in Node: an optional peer. */
const node22 = `node-${process.platform}-${process.arch}`;
const { webgpu } = readManifest("package.json").devDependencies;
const names = globSync("packages/*/package.json", { cwd: root }).map((path) => readManifest(path).name);

await runChecks({
  "publint and attw": () => checkManifests(tarballs),
  publish: async () => together(await inTurn(tarballs, publish)),
  "install by name": async () => {
    await installInto(app, [...names, `${node22}@22`, `webgpu@${webgpu}`]);
    return single(true, "");
  },
  "types, nodenext": () => checkDeclarations(app, "nodenext"),
  "types, bundler": () => checkDeclarations(app, "bundler"),
  "examples, Node 22": () => checkExamples(app, join(app, "node_modules", node22, "bin/node")),
  "examples, Node 24": () => checkExamples(app, process.execPath),
  "bundle sizes": async () => {
    const rows = await bundleSizes(app);
    console.log(sizeTable(rows));
    return sizeOutcome(rows);
  },
  "in Chromium": () => checkBrowser(app),
});

function readManifest(path: string) {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

async function publish(tarball: string): Promise<Outcome> {
  const { code, output } = await npm(
    ["publish", tarball, "--registry", registry.url, "--no-provenance"],
    app,
  );
  return single(code === 0, output);
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
