const foreignFolders = new Set(["node_modules", "dist", "out", "coverage", "golden", "generated"]);
const lockFile =
  /^(package-lock|npm-shrinkwrap|composer|deno|.*[-.]lock)\.(json|ya?ml)$|\.lock$|^bun\.lockb$/;

/** Whether a path is text that somebody wrote: not hidden, not a lock file, not made by a tool, not a golden. */
export function isWritten(path: string): boolean {
  const parts = path.split("/");
  const name = parts.at(-1) as string;
  return !parts.some((part) => part.startsWith(".") || foreignFolders.has(part)) && !lockFile.test(name);
}

/** Whether a path of this repository is one of its docs or sources. */
export function isRepositoryText(path: string): boolean {
  const hasPlace = /^(packages|tools|docs)\//.test(path) || (!path.includes("/") && path.endsWith(".md"));
  return hasPlace && /\.(md|ts|mjs|json)$/.test(path) && isWritten(path);
}
