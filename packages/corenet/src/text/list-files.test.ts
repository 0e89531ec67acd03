import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IoError } from "@corenet/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { trackedFiles, walkFiles } from "./list-files.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "corenet-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("lists what git tracks, and of that what is still there", async () => {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: folder, stdio: "ignore" });
  for (const name of ["kept.md", "deleted.md", "new.md", "naïve name.md"])
    writeFileSync(join(folder, name), name);
  git("init");
  git("add", "kept.md", "deleted.md", "naïve name.md");
  rmSync(join(folder, "deleted.md"));
  expect((await trackedFiles(folder))?.sort()).toEqual(["kept.md", "naïve name.md"]);
});

test("tells a folder without git from an empty one", async () => {
  writeFileSync(join(folder, "a.md"), "text");
  expect(await trackedFiles(folder)).toBeUndefined();
});

test("walks below what is accepted", async () => {
  for (const inside of ["a", "a/b", "closed"]) mkdirSync(join(folder, inside));
  for (const file of ["one", "a/two", "a/b/three", "closed/four"]) writeFileSync(join(folder, file), "text");
  const files = await walkFiles(folder, (path) => path !== "closed/");
  expect(files.sort()).toEqual(["a/b/three", "a/two", "one"]);
});

test("says which folder cannot be read", async () => {
  const reading = walkFiles(join(folder, "none"), () => true);
  await expect(reading).rejects.toThrow(/cannot read the folder .*none: ENOENT/);
  await expect(reading).rejects.toBeInstanceOf(IoError);
});
