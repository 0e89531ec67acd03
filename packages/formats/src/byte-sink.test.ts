import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IoError } from "@corenet/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ByteSink } from "./byte-sink.ts";
import { bytesSink } from "./bytes-sink.ts";
import { fileSink } from "./file-sink.ts";
import { writeSafetensors } from "./write-safetensors.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "formats-sink-"));
});
afterEach(() => rm(folder, { recursive: true }));
const text = (path: string) => readFile(path, "utf8");
const bytes = (value: string) => new TextEncoder().encode(value);

describe("bytesSink", () => {
  test("keeps copies of what is written", async () => {
    const sink = bytesSink();
    const chunk = new Uint8Array(900).fill(1);
    await sink.write(chunk);
    await sink.write(chunk.fill(2));
    await sink.close();
    const all = sink.bytes();
    expect(all).toHaveLength(1800);
    expect([all[0], all[899], all[900], all[1799]]).toEqual([1, 1, 2, 2]);
  });

  test("gives nothing before close or after abort", async () => {
    const sink = bytesSink();
    expect(() => sink.bytes()).toThrow("is open, expected closed");
    await sink.abort();
    expect(() => sink.bytes()).toThrow("is aborted");
    await expect(sink.write(bytes("x"))).rejects.toThrow("is aborted, expected open");
    await expect(sink.close()).rejects.toThrow("is aborted");
  });
});

describe("fileSink", () => {
  test("the file appears at close, whole", async () => {
    const path = join(folder, "new");
    const sink = await fileSink(path);
    await sink.write(bytes("hello "));
    await sink.write(bytes("world"));
    expect(existsSync(path)).toBe(false);
    await sink.close();
    expect(await text(path)).toBe("hello world");
    expect(await readdir(folder)).toEqual(["new"]);
  });

  test("an abort leaves the previous file and nothing else", async () => {
    const path = join(folder, "kept");
    await writeFile(path, "before");
    const sink = await fileSink(path);
    await sink.write(bytes("after"));
    await sink.abort(new Error("no"));
    await sink.abort();
    expect(await text(path)).toBe("before");
    expect(await readdir(folder)).toEqual(["kept"]);
    await expect(sink.write(bytes("x"))).rejects.toThrow("is aborted, expected open");
    await expect(sink.close()).rejects.toThrow(IoError);
  });

  test("close replaces the previous file and keeps its permissions; later calls do no harm", async () => {
    const path = join(folder, "replaced");
    await writeFile(path, "before");
    await chmod(path, 0o600);
    const sink = await fileSink(path);
    await sink.write(bytes("after"));
    await sink.close();
    await sink.abort();
    expect(await text(path)).toBe("after");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(sink.write(bytes("x"))).rejects.toThrow("is closed, expected open");
  });

  test("follows a link to the file behind it", async () => {
    await writeFile(join(folder, "real"), "before");
    await symlink("real", join(folder, "link"));
    const sink = await fileSink(join(folder, "link"));
    await sink.write(bytes("after"));
    await sink.close();
    expect(await text(join(folder, "real"))).toBe("after");
    expect(await readlink(join(folder, "link"))).toBe("real");
  });

  test("a folder that cannot be written gives an IoError with path and cause", async () => {
    await writeFile(join(folder, "file"), "");
    const path = join(folder, "file", "below");
    const error = await fileSink(path).catch((error) => error);
    expect(error).toBeInstanceOf(IoError);
    expect(error).toMatchObject({ path, cause: { code: "ENOTDIR" } });
    expect(error.message).toContain("A part of the path is a file");
    await expect(fileSink(join(folder, "missing", "file"))).rejects.toThrow(
      "There is no such file or folder",
    );
  });

  test("a folder or a device is never replaced", async () => {
    await expect(fileSink(folder)).rejects.toThrow("exists and is not a file");
    if (existsSync("/dev/full")) {
      await expect(fileSink("/dev/full")).rejects.toThrow("/dev/full exists and is not a file");
      expect((await stat("/dev/full")).isCharacterDevice()).toBe(true);
    }
  });

  test("the target becoming a folder fails at close, and removes the temporary file", async () => {
    const { mkdir } = await import("node:fs/promises");
    const path = join(folder, "taken");
    const sink = await fileSink(path);
    await sink.write(bytes("x"));
    await mkdir(join(path, "deep"), { recursive: true });
    await expect(sink.close()).rejects.toThrow(IoError);
    expect(await readdir(folder)).toEqual(["taken"]);
  });

  // A real failing write: the shell limits how large a file may grow. Tests run as root, so permissions cannot fail.
  test.skipIf(process.platform === "win32")(
    "a disk that takes no more leaves the previous file",
    async () => {
      const path = join(folder, "model.safetensors");
      await writeFile(path, "before");
      const module = (name: string) => JSON.stringify(new URL(name, import.meta.url).pathname);
      const program = `
      import { fileSink } from ${module("./file-sink.ts")};
      import { writeSafetensors } from ${module("./write-safetensors.ts")};
      const data = new Float32Array(1_000_000);
      const entries = [{ name: "w", dtype: "F32", shape: [1_000_000], data }];
      const error = await writeSafetensors(await fileSink(process.argv[1]), entries).catch((error) => error);
      console.log(JSON.stringify({ name: error.name, path: error.path, cause: error.cause?.code }));
    `;
      const args = ["-c", 'ulimit -f 100 && exec "$@"', "sh", process.execPath, "-C", "@corenet/source"];
      const run = spawnSync("sh", [...args, "--input-type=module", "-e", program, path], {
        encoding: "utf8",
      });
      expect(run.stderr).toBe("");
      expect(JSON.parse(run.stdout)).toEqual({ name: "IoError", path, cause: "EFBIG" });
      expect(await text(path)).toBe("before");
      expect(await readdir(folder)).toEqual(["model.safetensors"]);
    },
  );
});

test("a sink that fails in the middle is aborted with the error, and the error comes out", async () => {
  const aborted: unknown[] = [];
  let writes = 0;
  const full = new IoError("disk full", { path: "x" });
  const sink: ByteSink = {
    name: "x",
    async write() {
      writes += 1;
      if (writes === 2) throw full;
    },
    close: () => expect.unreachable("closed"),
    async abort(reason) {
      aborted.push(reason);
    },
  };
  const entry = { name: "w", dtype: "U8", shape: [1], data: Uint8Array.of(1) } as const;
  await expect(writeSafetensors(sink, [entry])).rejects.toBe(full);
  expect(aborted).toEqual([full]);
});
