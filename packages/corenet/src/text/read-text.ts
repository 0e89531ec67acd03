import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { IoError } from "@corenet/core";
import { trackedFiles, walkFiles } from "./list-files.ts";
import { isRepositoryText, isWritten } from "./text-paths.ts";

/** Where text comes from: a file, a folder, or the docs and sources of this repository, given by its root. */
export type TextSource = string | { readonly repository: string };

export interface Text {
  /** What it was read from: an absolute path, or "repository". */
  readonly from: string;
  /** How many files it was put together from. */
  readonly files: number;
  /** All files, one after another, in the order of their paths. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, in hex. */
  readonly sha256: string;
}

const mostBytes = 2 ** 28;

/**
 * Reads a text: one file; or all files below a folder, in the order of their paths, but for hidden ones, lock files,
 * what tools make (`node_modules`, `dist`, `generated`, …), goldens and binary files. Of a repository, `.md`, `.ts`, `.mjs` and `.json` of its
 * packages, tools and docs that git tracks, or that lie there where git is missing.
 *
 * @throws IoError when a file or folder is not there or cannot be read
 * @throws RangeError when there is no text in it, or more than 256 MiB
 */
export async function readText(source: TextSource): Promise<Text> {
  const isRepository = typeof source !== "string";
  const path = resolve(isRepository ? source.repository : source);
  const isFolder = isRepository || (await kindOf(path)) === "folder";
  const files = isFolder ? await filesOf(path, isRepository) : [path];

  const contents: Uint8Array[] = [];
  let size = 0;
  for (const file of files) {
    const content = await readBytes(isFolder ? join(path, file) : file);
    if (isFolder && isBinary(content)) continue;
    contents.push(content);
    size += content.length;
    if (size > mostBytes)
      throw new RangeError(`readText: ${path} has more than 256 MiB of text. Name a part of it.`);
  }
  if (size === 0) {
    throw new RangeError(
      `readText: ${path} has no text: ${files.length} files, ${contents.length} of them not binary, all empty. ` +
        "Name a file or a folder with text in it.",
    );
  }
  const bytes = new Uint8Array(Buffer.concat(contents));
  return {
    from: isRepository ? "repository" : path,
    files: contents.length,
    bytes,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}

async function kindOf(path: string): Promise<"file" | "folder"> {
  const found = await stat(path).catch((cause) => {
    throw new IoError(`readText: cannot read ${path}: ${cause.code ?? cause}. Check the path.`, {
      path,
      cause,
    });
  });
  return found.isDirectory() ? "folder" : "file";
}

async function filesOf(folder: string, isRepository: boolean): Promise<string[]> {
  const tracked = isRepository ? await trackedFiles(folder) : undefined;
  const files = tracked ?? (await walkFiles(folder, isWritten));
  return files.filter(isRepository ? isRepositoryText : isWritten).sort(); // by UTF-16 units: the same everywhere
}

async function readBytes(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause) => {
    throw new IoError(
      `readText: cannot read ${path}: ${cause.code ?? cause}. Check the path and its permissions.`,
      {
        path,
        cause,
      },
    );
  });
}

/** As git tells: a zero byte among the first 8000. */
function isBinary(content: Uint8Array): boolean {
  return content.subarray(0, 8000).includes(0);
}
