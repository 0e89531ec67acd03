import { IoError, throwIfAborted } from "@corenet/core";
import { type ByteSource, createByteSource } from "./byte-source.ts";
import { fileError } from "./file-error.ts";
import { nodeFs } from "./node-builtin.ts";

const pieceBytes = 16 * 2 ** 20; // one read: keeps below Node's 2 GiB and lets an abort through

/**
 * A file on disk, in Node. Open until `close`.
 *
 * @throws IoError when it cannot be opened or is not a file
 */
export async function fileSource(path: string): Promise<ByteSource> {
  const { open } = nodeFs("fileSource", path);
  const file = await open(path, "r").catch((cause) => {
    throw fileError("fileSource", path, "read", cause);
  });
  const stat = await file.stat();
  if (!stat.isFile()) {
    await file.close();
    throw new IoError(`fileSource: ${path} is not a file. Name a file inside it.`, { path });
  }

  return createByteSource({
    name: path,
    size: stat.size,
    async readInto(offset, target, signal) {
      let filled = 0;
      while (filled < target.length) {
        throwIfAborted(signal);
        const length = Math.min(pieceBytes, target.length - filled);
        const { bytesRead } = await file.read(target, filled, length, offset + filled).catch((cause) => {
          throw fileError("fileSource", path, "read", cause);
        });
        if (bytesRead === 0) {
          throw new IoError(
            `fileSource: ${path} had ${stat.size} bytes and now ends at ${offset + filled}. ` +
              "Something shortened it while it was open; open it again.",
            { path },
          );
        }
        filled += bytesRead;
      }
    },
    close: () => file.close(),
  });
}
