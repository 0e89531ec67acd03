import { IoError } from "@corenet/core";

const advice: Readonly<Record<string, string>> = {
  ENOENT: "There is no such file or folder; check the path.",
  ENOTDIR: "A part of the path is a file, not a folder; check the path.",
  EISDIR: "It is a folder; name a file inside it.",
  EACCES: "Permission is missing; change it, or use another folder.",
  EPERM: "Permission is missing; change it, or use another folder.",
  EROFS: "The disk is read-only; use another folder.",
  ENOSPC: "The disk is full; free some space, or use another folder.",
  EDQUOT: "The disk quota is used up; free some space, or use another folder.",
  EFBIG: "The file is larger than the system allows; raise the limit (ulimit -f).",
  EMFILE: "Too many files are open; close some.",
};

/** Node's error as an IoError with the path, the reason and what to do. */
export function fileError(who: string, path: string, action: "read" | "write", cause: unknown): IoError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const hint = advice[code] ?? "See cause.";
  const reason = code || (cause instanceof Error ? cause.message : String(cause));
  return new IoError(`${who}: cannot ${action} ${path}: ${reason}. ${hint}`, { path, cause });
}
