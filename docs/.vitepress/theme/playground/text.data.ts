// The text that the playground offers: this repository's own guides, read when the site is built.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../../..");
const files = ["README.md", "CONTRIBUTING.md", "packages/*/README.md", "docs/*.md", "docs/decisions/*.md"];

declare const data: string;

export { data };

export default {
  load: (): string =>
    globSync(files, { cwd: root })
      .filter((path) => !path.endsWith("performance.md")) // tables
      .sort()
      .map((path) => readFileSync(join(root, path), "utf8"))
      .join("\n\n"),
};
