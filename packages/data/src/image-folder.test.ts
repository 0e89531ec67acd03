import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, IoError, type Progress } from "@corenet/core";
import sharp from "sharp";
import { afterEach, beforeEach, expect, test } from "vitest";
import { imageFiles } from "./image-files.ts";
import { imageFolder } from "./image-folder.ts";

const blank = { create: { width: 2, height: 1, channels: 3 as const, background: "red" } };
const jpeg = new Uint8Array(await sharp(blank).jpeg().toBuffer());
const png = new Uint8Array(await sharp(blank).png().toBuffer());
const text = new TextEncoder().encode("a list of labels");

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "corenet-image-folder-"));
});
afterEach(() => rm(root, { recursive: true }));

async function put(path: string, bytes: Uint8Array): Promise<void> {
  const file = join(root, path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, bytes);
}

test("finds images by content, in one order everywhere", async () => {
  await put("dog/b.png", jpeg); // the name lies
  await put("dog/a", png);
  await put("dog/more/c.jpeg", jpeg);
  await put("Cat/z.jpg", jpeg);
  await put("dog/labels.txt", text);
  await put("dog/empty.jpg", new Uint8Array(0));
  await put("dog/.hidden.jpg", jpeg);
  await put(".DS_Store", text);

  const folder = await imageFolder(root);
  expect(folder.classes).toEqual(["Cat", "dog"]); // capitals first, as code units
  expect(folder.samples).toEqual([
    { path: `${root}/Cat/z.jpg`, label: 0 },
    { path: `${root}/dog/a`, label: 1 },
    { path: `${root}/dog/b.png`, label: 1 },
    { path: `${root}/dog/more/c.jpeg`, label: 1 },
  ]);
  expect(folder.length).toBe(4);
  expect(folder.skipped).toEqual([`${root}/dog/empty.jpg`, `${root}/dog/labels.txt`]);
});

test("reads a file's own bytes", async () => {
  await put("a/1.jpg", jpeg);
  await put("b/2.png", png);
  const folder = await imageFolder(root);
  expect(await folder.read(0)).toEqual(jpeg);
  expect(await folder.read(1)).toEqual(png);
  await expect(folder.read(2)).rejects.toThrow(`asked for sample 2 of ${root}, which has 2. Use 0 to 1.`);
  await expect(folder.read(0, { signal: AbortSignal.abort("no") })).rejects.toBe("no");
});

test("follows links to classes and files, not into circles", async () => {
  await put("a/1.jpg", jpeg);
  await symlink(join(root, "a"), join(root, "b"));
  await symlink(join(root, "a/1.jpg"), join(root, "a/2.jpg"));
  await symlink(root, join(root, "a/up"));
  const { samples } = await imageFolder(root);
  expect(samples.map(({ path }) => path.slice(root.length))).toEqual([
    "/a/1.jpg",
    "/a/2.jpg",
    "/b/1.jpg",
    "/b/2.jpg",
  ]);
});

test("says what is wrong with a folder", async () => {
  await expect(imageFolder(`${root}/none`)).rejects.toThrow("none: ENOENT, expected a folder");
  await expect(imageFolder(`${root}/none`)).rejects.toThrow(IoError);
  await expect(imageFolder(root)).rejects.toThrow("has no classes, expected one folder of images per class");
  await mkdir(join(root, "cat"));
  await put("dog/notes.txt", text);
  await expect(imageFolder(root)).rejects.toThrow("has no JPEG or PNG in 2 of 2 classes: cat, dog");
  await put("stray.jpg", jpeg);
  const stray = await imageFolder(root).catch((error) => error);
  expect(stray).toBeInstanceOf(FormatError);
  expect(stray).toMatchObject({
    file: `${root}/stray.jpg`,
    message: expect.stringContaining("beside its classes"),
  });
});

test("tells its progress, and stops when it is told to", async () => {
  for (let i = 0; i < 40; i++) await put(`a/${i}.jpg`, jpeg);
  const events: Progress[] = [];
  await imageFolder(root, { onProgress: (progress) => events.push(progress) });
  expect(events.at(-1)).toMatchObject({ phase: "scan", done: 40, total: 40, unit: "files" });

  const controller = new AbortController();
  const stopped = imageFolder(root, {
    signal: controller.signal,
    onProgress: () => controller.abort("enough"),
  });
  await expect(stopped).rejects.toBe("enough");
});

test("takes what a user chose in a browser", async () => {
  const chosen = (path: string, bytes: Uint8Array<ArrayBuffer>) => {
    const file = new File([bytes], path.split("/").at(-1) ?? "");
    return Object.defineProperty(file, "webkitRelativePath", { value: path });
  };
  const folder = await imageFiles([chosen("pets/dog/1.jpg", jpeg), chosen("pets/cat/1.png", png)]);
  expect(folder.classes).toEqual(["cat", "dog"]);
  expect(folder.samples).toEqual([
    { path: "cat/1.png", label: 0 },
    { path: "dog/1.jpg", label: 1 },
  ]);
  expect(await folder.read(1)).toEqual(jpeg);

  const named = await imageFiles([
    { name: "cat/1.png", blob: new Blob([png]) },
    { name: "cat/notes.txt", blob: new Blob([text]) },
  ]);
  expect(named.skipped).toEqual(["cat/notes.txt"]);
  await expect(imageFiles([{ name: "1.png", blob: new Blob([png]) }])).rejects.toThrow(
    "1.png lies beside the classes",
  );
  await expect(imageFiles([])).rejects.toThrow("the selection has no classes");
});
