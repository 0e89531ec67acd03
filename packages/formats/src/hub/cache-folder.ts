import type { ByteSource } from "../byte-source.ts";

/** A file that grows at its end: what a download writes to, and goes on with after a break. */
export interface GrowingFile {
  /** Bytes that are there. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Throws away what is there. */
  restart(): Promise<void>;
  /** Flushes and closes. What was appended stays, also where the file is not whole yet. */
  close(): Promise<void>;
}

/** What is stored under a path. */
export interface StoredFile {
  readonly path: string;
  readonly size: number;
}

/**
 * Where a hub cache lives: a folder on disk, or the browser's private file system. Paths are relative, with `/`.
 * Everything but `remove` makes the folders it needs.
 */
export interface CacheFolder {
  /** For error texts. */
  readonly name: string;
  /** The file's size in bytes, or undefined where there is none. */
  size(path: string): Promise<number | undefined>;
  readText(path: string): Promise<string | undefined>;
  /** Appears whole or not at all. */
  writeText(path: string, text: string): Promise<void>;
  /** Does `work` when no one else, in this process or another, does any on `path`. */
  withLock<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
  /** For who holds the lock of `path`. */
  grow(path: string): Promise<GrowingFile>;
  /** Gives a file another name, in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Lets the file at `path` be found under `link` too, where the file system can. */
  link(path: string, link: string): Promise<void>;
  /** @param name - what the source calls itself: the file's name in its repository */
  open(path: string, name: string): Promise<ByteSource>;
  /** Every file below `path`, links not followed; empty where there is no such folder. */
  list(path: string): Promise<StoredFile[]>;
  /** A file or a folder with all in it; nothing happens where there is none. */
  remove(path: string): Promise<void>;
}
