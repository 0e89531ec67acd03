import { IoError } from "@corenet/core";
import { type ByteSink, type ByteSource, fileSink, fileSource } from "@corenet/formats";

/** A place for checkpoint files: a folder on disk, or whatever a browser has. One run writes into it. */
export interface CheckpointStore {
  /** For error texts. */
  readonly name: string;
  /** Names of the files in it; none where it does not exist yet. */
  list(): Promise<string[]>;
  /** Opens a file for reading. */
  open(file: string): Promise<ByteSource>;
  /** Starts a file that appears whole, when the sink is closed, or not at all. */
  create(file: string): Promise<ByteSink>;
  /** Removes a file; does nothing where there is none. */
  remove(file: string): Promise<void>;
}

/**
 * A folder on disk, in Node, made when the first file is written. Files are flushed to the disk and then renamed.
 * Every method throws IoError, with the path and the reason.
 */
export function folderStore(path: string): CheckpointStore {
  async function attempt<T>(action: string, work: (fs: NodeFs) => Promise<T>): Promise<T> {
    const fs = nodeFs(path);
    try {
      return await work(fs);
    } catch (cause) {
      const reason = codeOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
      throw new IoError(
        `folderStore: cannot ${action} ${path}: ${reason}. Check that it is a folder, or can become one, with room in it.`,
        { path, cause },
      );
    }
  }
  const inside = (file: string): string => `${path}/${file}`;

  return {
    name: path,
    list: () =>
      attempt("list", async ({ readdir }) => {
        return readdir(path).catch((cause) => {
          if (codeOf(cause) === "ENOENT") return [];
          throw cause;
        });
      }),
    open: (file) => fileSource(inside(file)),
    async create(file) {
      await attempt("make the folder", ({ mkdir }) => mkdir(path, { recursive: true }));
      return fileSink(inside(file));
    },
    remove: (file) => attempt(`remove ${file} from`, ({ rm }) => rm(inside(file), { force: true })),
  };
}

type NodeFs = typeof import("node:fs/promises");

/** Without an import that bundlers for the browser would follow and fail at. */
function nodeFs(path: string): NodeFs {
  const fs = globalThis.process?.getBuiltinModule?.("node:fs/promises");
  if (fs) return fs;
  throw new IoError(
    `folderStore: cannot use ${path}: folders need Node 22.3 or later. In a browser pass a CheckpointStore of your own.`,
    { path },
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
