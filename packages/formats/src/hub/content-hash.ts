/** A hash that takes its input piece by piece. */
export interface ContentHash {
  update(bytes: Uint8Array): void;
  /** Lower-case hexadecimal. */
  hex(): string;
}

/** How the hub names a file's content: SHA-256 of large files, git's blob id (SHA-1 with a header) of the others. */
export type HashKind = "sha256" | "git-sha1";

/**
 * A running hash: Node's own where it is, JavaScript elsewhere (`crypto.subtle` wants all bytes at once).
 *
 * @param size - bytes to come; git's blob id starts with it
 */
export async function contentHash(kind: HashKind, size: number): Promise<ContentHash> {
  const hash = await startHash(kind === "sha256" ? "sha256" : "sha1");
  if (kind === "git-sha1") hash.update(new TextEncoder().encode(`blob ${size}\0`));
  return hash;
}

async function startHash(algorithm: "sha256" | "sha1"): Promise<ContentHash> {
  if (typeof globalThis.process?.getBuiltinModule === "function") {
    const hash = process.getBuiltinModule("node:crypto").createHash(algorithm);
    return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
  }
  const hash =
    algorithm === "sha256"
      ? (await import("@noble/hashes/sha2.js")).sha256.create()
      : (await import("@noble/hashes/legacy.js")).sha1.create();
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}
