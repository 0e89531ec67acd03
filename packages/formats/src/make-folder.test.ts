import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "./make-folder.ts";

test("makes a folder and those above it, and minds none that is there", async () => {
  const root = await mkdtemp(join(tmpdir(), "corenet-"));
  try {
    await makeFolder(join(root, "a", "b"));
    await makeFolder(join(root, "a", "b"));
    expect((await stat(join(root, "a", "b"))).isDirectory()).toBe(true);
  } finally {
    await rm(root, { recursive: true });
  }
});

test("says that a part of the path is a file", async () => {
  const root = await mkdtemp(join(tmpdir(), "corenet-"));
  try {
    await writeFile(join(root, "file"), "");
    await expect(makeFolder(join(root, "file", "b"))).rejects.toThrow(
      "ENOTDIR. A part of the path is a file",
    );
  } finally {
    await rm(root, { recursive: true });
  }
});
