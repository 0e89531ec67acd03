import { execFile } from "node:child_process";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { IoError } from "@corenet/core";

/** The files that git tracks in a folder and that are there, or undefined where git or its repository is missing. */
export async function trackedFiles(folder: string): Promise<string[] | undefined> {
  try {
    const options = { cwd: folder, maxBuffer: 2 ** 28 };
    const { stdout } = await promisify(execFile)("git", ["ls-files", "-z"], options);
    const tracked = stdout.split("\0").filter((path) => path !== "");
    const there = await Promise.all(tracked.map((path) => isFile(join(folder, path))));
    return tracked.length > 0 ? tracked.filter((_path, i) => there[i]) : undefined;
  } catch {
    return undefined; // not a failure: the caller walks the folder instead
  }
}

async function isFile(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined); // undefined: deleted, and not committed yet
  return found?.isFile() ?? false;
}

/**
 * Every file below a folder, as paths with `/` from there. Links are not followed, so that no file comes twice.
 *
 * @param accept - asked for each file and, with a `/` behind, for each folder on the way
 * @throws IoError when a folder cannot be read
 */
export async function walkFiles(folder: string, accept: (path: string) => boolean): Promise<string[]> {
  const files: string[] = [];
  const visit = async (inside: string): Promise<void> => {
    const path = join(folder, inside);
    const entries = await readdir(path, { withFileTypes: true }).catch((cause) => {
      throw new IoError(
        `readText: cannot read the folder ${path}: ${cause.code ?? cause}. Check the path and its permissions.`,
        { path, cause },
      );
    });
    for (const entry of entries) {
      const below = inside === "" ? entry.name : `${inside}/${entry.name}`;
      if (entry.isDirectory() && accept(`${below}/`)) await visit(below);
      if (entry.isFile() && accept(below)) files.push(below);
    }
  };
  await visit("");
  return files;
}
