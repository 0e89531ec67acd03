import { type ByteSource, createByteSource } from "./byte-source.ts";

/** Bytes that are in memory already. They are not copied; every read is. */
export function bytesSource(bytes: Uint8Array, options: { name?: string } = {}): ByteSource {
  return createByteSource({
    name: options.name ?? "bytes",
    size: bytes.length,
    async readInto(offset, target) {
      target.set(bytes.subarray(offset, offset + target.length));
    },
  });
}
