import { fileError } from "../file-error.ts";
import { fileSink } from "../file-sink.ts";
import { fileSource } from "../file-source.ts";
import { makeFolder } from "../make-folder.ts";
import { nodeFs, nodePath } from "../node-builtin.ts";
import type { CacheFolder, StoredFile } from "./cache-folder.ts";
import { withDiskLock } from "./disk-lock.ts";

/** A folder on disk (Node). */
export function diskFolder(root: string): CacheFolder {
  const fs = nodeFs("diskFolder", root);
  const { dirname, join, relative } = nodePath("diskFolder", root);
  const at = (path: string) => join(root, ...path.split("/"));
  const orMissing = (path: string) => (cause: unknown) => {
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw fileError("hub cache", path, "read", cause);
  };
  const failing = (path: string) => (cause: unknown) => {
    throw fileError("hub cache", path, "write", cause);
  };

  return {
    name: root,
    async size(path) {
      const stat = await fs.stat(at(path)).catch(orMissing(at(path)));
      return stat?.isFile() ? stat.size : undefined;
    },
    readText: (path) => fs.readFile(at(path), "utf8").catch(orMissing(at(path))),
    async writeText(path, text) {
      await makeFolder(dirname(at(path)));
      const sink = await fileSink(at(path));
      await sink.write(new TextEncoder().encode(text));
      await sink.close();
    },
    async withLock(path, signal, work) {
      await makeFolder(dirname(at(path)));
      return withDiskLock(`${at(path)}.lock`, signal, work);
    },
    async grow(path) {
      await makeFolder(dirname(at(path)));
      const file = await fs.open(at(path), "a").catch(failing(at(path)));
      let { size } = await file.stat();
      return {
        get size() {
          return size;
        },
        async append(bytes) {
          let written = 0;
          while (written < bytes.length) {
            const length = Math.min(bytes.length - written, 2 ** 30);
            const step = await file.write(bytes, written, length).catch(failing(at(path)));
            written += step.bytesWritten;
            size += step.bytesWritten;
          }
        },
        async restart() {
          await file.truncate(0).catch(failing(at(path)));
          size = 0;
        },
        async close() {
          await file.sync().catch(failing(at(path)));
          await file.close();
        },
      };
    },
    async rename(from, to) {
      await makeFolder(dirname(at(to)));
      await fs.rename(at(from), at(to)).catch(failing(at(to)));
    },
    async link(path, link) {
      await makeFolder(dirname(at(link)));
      await fs.rm(at(link), { force: true });
      const target = relative(dirname(at(link)), at(path));
      // Without the right to make links (Windows) the copy costs disk, and nothing else.
      await fs
        .symlink(target, at(link))
        .catch(() => fs.copyFile(at(path), at(link)).catch(failing(at(link))));
    },
    async open(path, name) {
      return { ...(await fileSource(at(path))), name };
    },
    async list(path) {
      const found = await fs
        .readdir(at(path), { recursive: true, withFileTypes: true })
        .catch(orMissing(at(path)));
      const files: StoredFile[] = [];
      for (const entry of found ?? []) {
        if (!entry.isFile()) continue;
        const full = join(entry.parentPath, entry.name);
        const stat = await fs.stat(full).catch(orMissing(full)); // it may go away meanwhile
        if (stat) files.push({ path: relative(root, full).replaceAll("\\", "/"), size: stat.size });
      }
      return files;
    },
    async remove(path) {
      await fs.rm(at(path), { recursive: true, force: true }).catch(failing(at(path)));
    },
  };
}
