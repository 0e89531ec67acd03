import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IoError } from "@corenet/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blobSource } from "./blob-source.ts";
import type { ByteSource } from "./byte-source.ts";
import { bytesSource } from "./bytes-source.ts";
import { fileSource } from "./file-source.ts";

const content = Uint8Array.from({ length: 1000 }, (_, i) => i * 7);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "formats-source-"));
  await writeFile(join(folder, "content"), content);
});
afterAll(() => rm(folder, { recursive: true }));

describe.each<[string, () => Promise<ByteSource> | ByteSource]>([
  ["bytesSource", () => bytesSource(content)],
  ["blobSource", () => blobSource(new Blob([content]))],
  ["fileSource", () => fileSource(join(folder, "content"))],
])("%s", (_, create) => {
  test("reads any range, into a buffer of its own", async () => {
    const source = await create();
    expect(source.size).toBe(1000);
    await fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.nat(1000), async (a, b) => {
        const [begin, end] = [Math.min(a, b), Math.max(a, b)];
        const bytes = await source.read(begin, end - begin);
        expect(bytes).toEqual(content.slice(begin, end));
        expect(bytes.buffer.byteLength).toBe(end - begin);
        expect(bytes.buffer).not.toBe(content.buffer);
      }),
      { numRuns: 30 },
    );
    await source.close();
  });

  test("fills a part of a larger array, and several at once", async () => {
    const source = await create();
    const target = new Uint8Array(30);
    await Promise.all([0, 10, 20].map((at) => source.readInto(at, target.subarray(at, at + 10))));
    expect(target).toEqual(content.slice(0, 30));
    await source.close();
  });

  test("refuses ranges outside, before it allocates", async () => {
    const source = await create();
    for (const [offset, length] of [
      [0, 1001],
      [1000, 1],
      [-1, 2],
      [0, -1],
      [0.5, 1],
      [0, 2 ** 52],
      [Number.NaN, 1],
    ] as const) {
      await expect(source.read(offset, length)).rejects.toThrow(RangeError);
      await expect(source.read(offset, length)).rejects.toThrow(`asked for ${length} bytes at ${offset}`);
    }
    await source.close();
  });

  test("stops at an aborted signal and after close", async () => {
    const source = await create();
    await expect(source.read(0, 1, { signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow("stop");
    await source.close();
    await source.close();
    await expect(source.read(0, 1)).rejects.toThrow(IoError);
  });
});

test("a File keeps its name", () => {
  expect(blobSource(new File([content], "model.safetensors")).name).toBe("model.safetensors");
});

test("fileSource says what is wrong with a path", async () => {
  const missing = join(folder, "missing");
  const error = await fileSource(missing).catch((error) => error);
  expect(error).toBeInstanceOf(IoError);
  expect(error).toMatchObject({ path: missing, code: "CORENET_IO", cause: { code: "ENOENT" } });
  expect(error.message).toBe(
    `fileSource: cannot read ${missing}: ENOENT. There is no such file or folder; check the path.`,
  );
  await expect(fileSource(folder)).rejects.toThrow("is not a file. Name a file inside it.");
  await expect(fileSource(join(folder, "content", "below"))).rejects.toThrow("ENOTDIR");
});

test("fileSource tells when the file was shortened while open", async () => {
  const path = join(folder, "shrinking");
  await writeFile(path, content);
  const source = await fileSource(path);
  await truncate(path, 10);
  await expect(source.read(0, 20)).rejects.toThrow("had 1000 bytes and now ends at 10");
  await source.close();
});
