import { IoError } from "@corenet/core";
import { bytesSink, bytesSource } from "@corenet/formats";
import type { CheckpointStore } from "./checkpoint-store.ts";

/** Checkpoints in the memory of the process: they outlive a device, and die with the process or the page. */
export function memoryStore(): CheckpointStore {
  const files = new Map<string, Uint8Array>();
  return {
    name: "memory",
    list: async () => [...files.keys()],
    async open(file) {
      const bytes = files.get(file);
      if (bytes) return bytesSource(bytes, { name: file });
      throw new IoError(`memoryStore: there is no ${file}, expected one of [${[...files.keys()]}].`, {
        path: file,
      });
    },
    async create(file) {
      const sink = bytesSink({ name: file });
      return {
        ...sink,
        async close() {
          await sink.close();
          files.set(file, sink.bytes());
        },
      };
    },
    async remove(file) {
      files.delete(file);
    },
  };
}
