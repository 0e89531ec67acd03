// Modules of Node, without an import that bundlers for the browser would follow, and without their types in ours.
import { checkNode } from "@corenet/formats";

/** @throws IoError outside Node */
export function nodeFs(who: string, path: string) {
  checkNode(who, path);
  return process.getBuiltinModule("node:fs/promises");
}

/** As `nodeFs`, for `node:path`. */
export function nodePath(who: string, path: string) {
  checkNode(who, path);
  return process.getBuiltinModule("node:path");
}
