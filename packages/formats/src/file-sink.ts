import { IoError } from "@corenet/core";
import type { ByteSink } from "./byte-sink.ts";
import { fileError } from "./file-error.ts";
import { nodeFs, nodePath } from "./node-builtin.ts";

/**
 * A file on disk, in Node, that appears whole or not at all: bytes go to a temporary file beside it, which `close`
 * flushes to the disk and renames. Until then, and after any failure, the previous file is there unchanged.
 *
 * A link is followed: the file behind it is replaced. A crash leaves `<path>.<random>.tmp` behind.
 *
 * @throws IoError when the folder cannot be written or `path` is something other than a file; from `write` and
 *   `close`, when the disk is full or fails. Then the temporary file is removed already.
 */
export async function fileSink(path: string): Promise<ByteSink> {
  const { open, realpath, rename, rm, stat } = nodeFs("fileSink", path);
  const { dirname } = nodePath("fileSink", path);

  const missing = (cause: unknown) => {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw fileError("fileSink", path, "write", cause);
  };
  const previous = await stat(path).catch(missing);
  if (previous && !previous.isFile()) {
    throw new IoError(`fileSink: ${path} exists and is not a file. Name a file, new or to be replaced.`, {
      path,
    });
  }
  const target = previous ? await realpath(path) : path;
  const temporary = `${target}.${crypto.randomUUID()}.tmp`;
  const file = await open(temporary, "wx", previous ? previous.mode & 0o777 : 0o666).catch((cause) => {
    throw fileError("fileSink", path, "write", cause);
  });

  let state: "open" | "closed" | "aborted" = "open";

  function checkOpen(): void {
    if (state === "open") return;
    throw new IoError(`fileSink: ${path} is ${state}, expected open. Start another.`, { path });
  }
  async function discard(): Promise<void> {
    state = "aborted";
    await file.close().catch(() => {}); // the file goes away next, whatever is in it
    await rm(temporary, { force: true }).catch(() => {}); // the error that led here matters more
  }
  async function failing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      await discard();
      throw fileError("fileSink", path, "write", cause);
    }
  }

  return {
    name: path,
    async write(chunk) {
      checkOpen();
      await failing(async () => {
        let written = 0;
        while (written < chunk.length) {
          const { bytesWritten } = await file.write(
            chunk,
            written,
            Math.min(chunk.length - written, 2 ** 30),
          );
          written += bytesWritten;
        }
      });
    },
    async close() {
      checkOpen();
      await failing(async () => {
        await file.sync();
        await file.close();
        await rename(temporary, target);
      });
      state = "closed";
      // The rename itself survives a power cut once the folder is flushed; Windows has no such call.
      const folder = await open(dirname(target), "r").catch(() => undefined);
      await folder?.sync().catch(() => {});
      await folder?.close();
    },
    async abort() {
      if (state === "open") await discard();
    },
  };
}
