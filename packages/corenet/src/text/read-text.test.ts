import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readText } from "./read-text.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "corenet-text-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

const textOf = ({ bytes }: { bytes: Uint8Array }) => new TextDecoder().decode(bytes);

test("joins the files of a folder in the order of their paths", async () => {
  write("b.txt", "two ");
  write("a/z.md", "one ");
  write("c.txt", "three");
  const text = await readText(folder);
  expect(textOf(text)).toBe("one two three");
  expect(text.files).toBe(3);
  expect(text.from).toBe(folder);
  expect(text.sha256).toBe(createHash("sha256").update("one two three").digest("hex"));
});

test("passes over binary files, hidden files, lock files and links", async () => {
  write("a.txt", "text");
  write("image.png", new Uint8Array([137, 80, 0, 71]));
  write(".env", "secret");
  write("node_modules/x/index.js", "code");
  write("package-lock.json", "{}");
  symlinkSync(join(folder, "a.txt"), join(folder, "link.txt"));
  symlinkSync(folder, join(folder, "loop"));
  expect(textOf(await readText(folder))).toBe("text");
});

test("takes one file as it is, whatever its name", async () => {
  write("package-lock.json", "locked");
  expect(textOf(await readText(join(folder, "package-lock.json")))).toBe("locked");
});

test("takes docs and sources of a repository, also without git", async () => {
  write("README.md", "# Read\n");
  write("packages/a/src/index.ts", "export {};\n");
  write("packages/a/src/generated/kernels.ts", "AAAA");
  write("notes.txt", "no");
  const text = await readText({ repository: folder });
  expect(textOf(text)).toBe("# Read\nexport {};\n");
  expect(text.from).toBe("repository");
});

test("reads this repository, without its goldens and generated files", async () => {
  const text = await readText({ repository: resolve(import.meta.dirname, "../../../..") });
  expect(text.bytes.length).toBeGreaterThan(400_000);
  expect(textOf(text)).toContain("class OpenElm implements CausalLm");
  const lockVersion = ["lockfile", "Version"].join(""); // joined, or this file would hold it
  expect(textOf(text)).not.toContain(`"${lockVersion}": `);
});

test("says which path is missing", async () => {
  await expect(readText(join(folder, "none"))).rejects.toThrow(/cannot read .*none: ENOENT\. Check the path/);
});

test("says that a folder or a file has no text", async () => {
  write("image.png", new Uint8Array([0, 1]));
  write("empty.txt", "");
  await expect(readText(folder)).rejects.toThrow(/has no text: 2 files, 1 of them not binary, all empty/);
  await expect(readText(join(folder, "empty.txt"))).rejects.toThrow(/has no text/);
});
