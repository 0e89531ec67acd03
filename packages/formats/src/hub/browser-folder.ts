import { IoError } from "@corenet/core";
import { blobSource } from "../blob-source.ts";
import type { CacheFolder, StoredFile } from "./cache-folder.ts";

const partBytes = 32 * 2 ** 20; // what a tab that dies in a download loses at most

/**
 * A folder in the browser's origin-private file system, in pages and in workers. It belongs to the page's origin and
 * survives reloads. What a stream wrote exists only once it is closed, so large files are kept in numbered parts, a
 * folder each; reading joins them without a copy.
 *
 * @throws IoError where the browser has none, such as in private windows of some browsers
 */
export function browserFolder(name: string): CacheFolder {
  const storage = globalThis.navigator?.storage;
  if (typeof storage?.getDirectory !== "function") {
    throw new IoError(
      `hub cache: this browser gives ${name} no private file system (navigator.storage.getDirectory). ` +
        "It needs a secure page (https or localhost) and is missing in some private windows; read by URL with httpSource instead.",
      { path: name },
    );
  }

  /** The folder that holds `path`; undefined where it is not there and `create` is false. */
  async function placeOf(
    path: string,
    create: boolean,
  ): Promise<{ folder: FileSystemDirectoryHandle; last: string } | undefined> {
    const parts = [name, ...path.split("/").filter((part) => part !== "")];
    const last = parts.pop() as string;
    let folder = await storage.getDirectory();
    for (const part of parts) {
      const next = await orMissing(folder.getDirectoryHandle(part, { create }));
      if (!next) return undefined;
      folder = next;
    }
    return { folder, last };
  }

  async function textFileAt(path: string): Promise<File | undefined> {
    const place = await placeOf(path, false);
    const handle = place && (await orMissing(place.folder.getFileHandle(place.last)));
    return handle?.getFile();
  }

  async function makePlace(path: string): Promise<{ folder: FileSystemDirectoryHandle; last: string }> {
    const place = await placeOf(path, true);
    if (!place) throw new IoError(`hub cache: cannot make the folders of ${path}.`, { path });
    return place;
  }

  /** The parts of a large file, in their order. */
  async function partsAt(path: string): Promise<FileSystemFileHandle[] | undefined> {
    const place = await placeOf(path, false);
    const folder = place && (await orMissing(place.folder.getDirectoryHandle(place.last)));
    if (!folder) return undefined;
    const parts: FileSystemFileHandle[] = [];
    for await (const [, handle] of entriesOf(folder)) parts.push(handle as FileSystemFileHandle);
    return parts.sort((a, b) => Number(a.name) - Number(b.name));
  }

  async function filesOf(parts: readonly FileSystemFileHandle[]): Promise<File[]> {
    return Promise.all(parts.map((part) => part.getFile()));
  }

  async function remove(path: string): Promise<void> {
    const place = await placeOf(path, false);
    if (place) await orMissing(place.folder.removeEntry(place.last, { recursive: true }));
  }

  async function size(path: string): Promise<number | undefined> {
    const parts = await partsAt(path);
    if (!parts) return undefined;
    return (await filesOf(parts)).reduce((sum, file) => sum + file.size, 0);
  }

  return {
    name,
    size,
    readText: async (path) => (await textFileAt(path))?.text(),
    async writeText(path, text) {
      const { folder, last } = await makePlace(path);
      const handle = await folder.getFileHandle(last, { create: true });
      const stream = await handle.createWritable(); // replaces the file when it is closed
      await stream.write(text).catch(full(path));
      await stream.close().catch(full(path));
    },
    withLock: (path, signal, work) =>
      navigator.locks.request(`${name}/${path}`, signal ? { signal } : {}, work),
    async grow(path) {
      const { folder: parent, last } = await makePlace(path);
      let folder = await parent.getDirectoryHandle(last, { create: true });
      let count = (await partsAt(path))?.length ?? 0;
      let total = (await size(path)) ?? 0;
      let part: { stream: FileSystemWritableFileStream; bytes: number } | undefined;

      async function endPart(): Promise<void> {
        await part?.stream.close().catch(full(path));
        part = undefined;
      }
      return {
        get size() {
          return total;
        },
        async append(bytes) {
          if (!part) {
            const handle = await folder.getFileHandle(String(count), { create: true });
            part = { stream: await handle.createWritable(), bytes: 0 };
            count += 1;
          }
          await part.stream.write(new Uint8Array(bytes)).catch(full(path)); // a copy, for the stream to hold on to
          part.bytes += bytes.length;
          total += bytes.length;
          if (part.bytes >= partBytes) await endPart();
        },
        async restart() {
          await endPart();
          await remove(path);
          folder = await parent.getDirectoryHandle(last, { create: true });
          count = 0;
          total = 0;
        },
        close: endPart,
      };
    },
    async rename(from, to) {
      await remove(to);
      const { folder: parent, last } = await makePlace(to);
      const folder = await parent.getDirectoryHandle(last, { create: true });
      for (const part of (await partsAt(from)) ?? []) await moveFile(part, folder).catch(full(to));
      await remove(from);
    },
    async link() {}, // this file system has no links; the list of files says where each one lies
    async open(path, sourceName) {
      const parts = await partsAt(path);
      if (!parts) throw new IoError(`hub cache: ${path} went away. Download again.`, { path });
      return blobSource(new Blob(await filesOf(parts)), { name: sourceName });
    },
    async list(path) {
      const place = await placeOf(path, false);
      const top = place && (await orMissing(place.folder.getDirectoryHandle(place.last)));
      const files: StoredFile[] = [];
      const walk = async (folder: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
        for await (const [entry, handle] of entriesOf(folder)) {
          const inside = prefix === "" ? entry : `${prefix}/${entry}`;
          if (handle.kind === "directory") await walk(handle as FileSystemDirectoryHandle, inside);
          else files.push({ path: inside, size: (await (handle as FileSystemFileHandle).getFile()).size });
        }
      };
      if (top) await walk(top, path);
      return files;
    },
    remove,
  };
}

/** Into another folder under its own name; by copy where the browser cannot move. */
async function moveFile(file: FileSystemFileHandle, folder: FileSystemDirectoryHandle): Promise<void> {
  if ("move" in file && typeof file.move === "function") {
    await file.move(folder, file.name);
    return;
  }
  const copy = await folder.getFileHandle(file.name, { create: true });
  const stream = await copy.createWritable();
  await stream.write(await file.getFile());
  await stream.close();
}

/** TypeScript's library of the DOM does not know that folders can be iterated. */
function entriesOf(folder: FileSystemDirectoryHandle): AsyncIterable<[string, FileSystemHandle]> {
  return (
    folder as FileSystemDirectoryHandle & { entries(): AsyncIterable<[string, FileSystemHandle]> }
  ).entries();
}

async function orMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof DOMException && ["NotFoundError", "TypeMismatchError"].includes(error.name)) {
      return undefined;
    }
    throw error;
  }
}

/** The browser's error of a full disk in words. */
function full(path: string): (cause: unknown) => never {
  return (cause) => {
    const isQuota = cause instanceof DOMException && cause.name === "QuotaExceededError";
    const why = isQuota ? "the browser's quota for this site is used up" : String(cause);
    throw new IoError(
      `hub cache: cannot write ${path}: ${why}. Delete models with hubCache().delete, or free disk space.`,
      { path, cause },
    );
  };
}
