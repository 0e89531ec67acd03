import { IoError } from "@corenet/core";
import { type ByteSource, createByteSource } from "./byte-source.ts";
import { fillFromStream } from "./fill-from-stream.ts";

/** A Blob, such as a File that the user chose in the browser. Read by range, never as a whole. */
export function blobSource(blob: Blob, options: { name?: string } = {}): ByteSource {
  const name = options.name ?? ("name" in blob && typeof blob.name === "string" ? blob.name : "blob");
  return createByteSource({
    name,
    size: blob.size,
    async readInto(offset, target, signal) {
      const stream = blob.slice(offset, offset + target.length).stream();
      try {
        await fillFromStream("blobSource", name, stream, target, signal);
      } catch (cause) {
        if (cause instanceof IoError || signal?.aborted) throw cause;
        throw new IoError(
          `blobSource: ${name} cannot be read any more: ${cause}. It changed or was removed; choose it again.`,
          { path: name, cause },
        );
      }
    },
  });
}
