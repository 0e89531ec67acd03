// `npm run release:publish`: builds, and publishes to npm what is not there yet. Meant for .github/workflows/release.yml.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { nx, root, run } from "../test/outcome.ts";

/** npm compares a statement of provenance with `repository`: where the code lies is known to whoever publishes it. */
function writeRepository(slug: string): void {
  for (const path of globSync("packages/*/package.json", { cwd: root })) {
    const file = join(root, path);
    const manifest = JSON.parse(readFileSync(file, "utf8"));
    const url = `git+https://github.com/${slug}.git`;
    manifest.repository = { type: "git", url, directory: dirname(path) };
    writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
  }
}

const slug = process.env.GITHUB_REPOSITORY;
if (!slug) {
  throw new Error(
    "publish: GITHUB_REPOSITORY is not set, expected owner/name of the repository, which npm's statement of provenance " +
      "names. Publish from the release workflow.",
  );
}
writeRepository(slug);
const build = await nx(["run-many", "-t", "build"]);
if (build.code !== 0) throw new Error(`publish: the build failed.\n${build.output}`);
const changeset = join(root, "node_modules/@changesets/cli/bin.js");
process.exitCode = (await run(process.execPath, [changeset, "publish"], { show: true })).code;
