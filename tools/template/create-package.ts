import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";

/** Algorithms stand on everything but the umbrella, and never on each other. */
const ALGORITHM_LAYER = 4;

export interface NewPackage {
  /** The folder under packages/, and the name behind @corenet/: words of a-z and 0-9 joined by hyphens. */
  name: string;
  /** One line, in the user's words. */
  description: string;
}

/**
 * Writes packages/NAME from the files beside this one, with the version of the other packages, and enters it in the
 * layer table as an algorithm, unless the table knows it already.
 *
 * @param root - the repository
 * @returns what it wrote, as paths from `root`
 * @throws RangeError when the name is not a package name or is taken, or the description is empty
 */
export function createPackage(root: string, { name, description }: NewPackage): string[] {
  checkName(root, name);
  if (description.trim() === "" || description.includes("\n")) {
    throw new RangeError(
      `new: the description is ${JSON.stringify(description)}, expected one line of text. ` +
        `Run: npm run new -- ${name} "What it does for whom."`,
    );
  }

  const { version }: { version: string } = readJson(join(root, "packages/core/package.json"));
  const template = join(import.meta.dirname, "files");
  const files = globSync("**/*.*", { cwd: template }).sort();
  for (const file of files) {
    const text = extname(file) === ".json" ? JSON.stringify(description).slice(1, -1) : description;
    const content = readFileSync(join(template, file), "utf8")
      .replaceAll("NAME", () => name)
      .replaceAll("VERSION", () => version)
      .replaceAll("DESCRIPTION", () => text);
    const target = join(root, "packages", name, file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
  }
  return [...files.map((file) => `packages/${name}/${file}`), ...enterLayer(root, name)];
}

function checkName(root: string, name: string): void {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || name.length > 50) {
    throw new RangeError(
      `new: the name is "${name}", expected at most 50 characters a-z, 0-9 and single hyphens, starting with a letter. ` +
        'Run: npm run new -- my-method "What it does for whom."',
    );
  }
  if (existsSync(join(root, "packages", name))) {
    throw new RangeError(
      `new: packages/${name} exists, expected a new name. Choose another, or remove that folder.`,
    );
  }
}

function enterLayer(root: string, name: string): string[] {
  const path = "tools/checks/layers.json";
  const layers: Record<string, number> = readJson(join(root, path));
  if (layers[name] !== undefined) return [];

  const entries = Object.entries({ ...layers, [name]: ALGORITHM_LAYER }).sort(([, a], [, b]) => a - b);
  writeFileSync(join(root, path), `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`);
  return [path];
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8"));
}
