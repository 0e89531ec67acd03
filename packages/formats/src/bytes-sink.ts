import type { ByteSink } from "./byte-sink.ts";

export interface BytesSink extends ByteSink {
  /** What was written. @throws Error before `close` */
  bytes(): Uint8Array<ArrayBuffer>;
}

/** A sink in memory. */
export function bytesSink(options: { name?: string } = {}): BytesSink {
  const { name = "bytes" } = options;
  let buffer = new Uint8Array(1024);
  let length = 0;
  let state: "open" | "closed" | "aborted" = "open";

  return {
    name,
    async write(chunk) {
      if (state !== "open")
        throw new Error(`bytesSink: ${name} is ${state}, expected open. Write before close.`);
      if (length + chunk.length > buffer.length) {
        const larger = new Uint8Array(Math.max(2 * buffer.length, length + chunk.length));
        larger.set(buffer.subarray(0, length));
        buffer = larger;
      }
      buffer.set(chunk, length);
      length += chunk.length;
    },
    async close() {
      if (state === "aborted")
        throw new Error(`bytesSink: ${name} is aborted, expected open. Start another.`);
      state = "closed";
    },
    async abort() {
      if (state !== "open") return;
      state = "aborted";
      buffer = new Uint8Array(0);
      length = 0;
    },
    bytes() {
      if (state !== "closed")
        throw new Error(`bytesSink: ${name} is ${state}, expected closed. Await close first.`);
      return buffer.slice(0, length);
    },
  };
}
