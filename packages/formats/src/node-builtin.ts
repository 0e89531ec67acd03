import { IoError } from "@corenet/core";

/**
 * A module of Node, without an import that bundlers for the browser would follow and fail at.
 *
 * @throws IoError outside Node
 */
export function nodeFs(who: string, path: string) {
  return builtins(who, path).getBuiltinModule("node:fs/promises");
}

/** As `nodeFs`, for `node:path`. */
export function nodePath(who: string, path: string) {
  return builtins(who, path).getBuiltinModule("node:path");
}

function builtins(who: string, path: string) {
  checkNode(who, path);
  return globalThis.process;
}

/**
 * For packages that open files by modules of Node of their own.
 *
 * @throws IoError outside Node
 */
export function checkNode(who: string, path: string): void {
  if (typeof globalThis.process?.getBuiltinModule === "function") return;
  throw new IoError(
    `${who}: cannot open ${path}: paths need Node 22.3 or later. In a browser use blobSource, httpSource or bytesSink.`,
    { path },
  );
}
