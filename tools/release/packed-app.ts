import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nx, root } from "../test/outcome.ts";
import { npm } from "./npm.ts";

/** All packages as their users get them. */
export interface PackedApp {
  /** The tarball of each package. */
  readonly tarballs: readonly string[];
  /** An app outside the repository that has installed them all, and nothing else. */
  readonly app: string;
}

let made: Promise<PackedApp> | undefined;

/**
 * Builds and packs every package, and installs the tarballs into an empty app. Done once a process, and removed at its
 * end.
 *
 * @throws Error with the output of the step that failed
 */
export function packedApp(): Promise<PackedApp> {
  made ??= makeApp();
  return made;
}

async function makeApp(): Promise<PackedApp> {
  const folder = temporaryFolder("packed");
  const tarballs = await packAll(join(folder, "tarballs"));
  const app = join(folder, "app");
  createApp(app, {});
  await installInto(app, ["--prefer-offline", ...tarballs]);
  return { tarballs, app };
}

/** A new folder outside the repository, removed when this process ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `corenet-${name}-`));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Builds and packs every package. Returns the paths of the tarballs. */
export async function packAll(folder: string): Promise<string[]> {
  mkdirSync(folder);
  const build = await nx(["run-many", "-t", "build"]);
  if (build.code !== 0) throw new Error(`packAll: the build failed.\n${build.output}`);
  const pack = await npm(["pack", "--workspaces", "--pack-destination", folder], root);
  if (pack.code !== 0) throw new Error(`packAll: npm pack failed.\n${pack.output}`);
  return globSync("*.tgz", { cwd: folder })
    .sort()
    .map((file) => join(folder, file));
}

/** A folder with nothing but a package.json. */
export function createApp(folder: string, { npmrc = "" }: { npmrc?: string }): void {
  mkdirSync(folder);
  const manifest = { name: "app", private: true, type: "module" };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  if (npmrc !== "") writeFileSync(join(folder, ".npmrc"), npmrc);
}

/** `npm install` of names, or of files. */
export async function installInto(app: string, what: readonly string[]): Promise<void> {
  const { code, output } = await npm(["install", ...what], app);
  if (code !== 0) throw new Error(`npm install ended with ${code} in an empty app.\n${output}`);
}
