import { IoError, throwIfAborted } from "@corenet/core";

export interface ReadOptions {
  signal?: AbortSignal | undefined;
}

/** Bytes that can be read by range: a file, a Blob, a URL, an array. Reads may overlap. */
export interface ByteSource {
  /** Path, URL or file name, for error texts and to find `model.safetensors` in a list. */
  readonly name: string;
  readonly size: number;
  /**
   * A new array with `length` bytes from `offset` on, which starts at byte 0 of a buffer of its own.
   *
   * @throws RangeError when the range is not inside [0, size]
   * @throws IoError when the bytes cannot be had, all of them
   */
  read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Fills `target`, such as a part of a WebAssembly memory, from `offset` on. Throws as `read` does. */
  readInto(offset: number, target: Uint8Array, options?: ReadOptions): Promise<void>;
  /** Frees the file. Reading afterwards throws. */
  close(): Promise<void>;
}

export interface ByteSourceParts {
  name: string;
  size: number;
  /** Fills all of `target`; the range is inside the source. */
  readInto(offset: number, target: Uint8Array, signal: AbortSignal | undefined): Promise<void>;
  close?(): Promise<void>;
}

/** A ByteSource over one `readInto`: checks ranges, signal and closing in one place. */
export function createByteSource(parts: ByteSourceParts): ByteSource {
  const { name, size } = parts;
  let closed = false;

  function check(offset: number, length: number, signal: AbortSignal | undefined): void {
    throwIfAborted(signal);
    if (closed) {
      throw new IoError(`ByteSource: ${name} was closed before this read. Close it after the last one.`, {
        path: name,
      });
    }
    const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!valid || offset + length > size) {
      throw new RangeError(
        `ByteSource: asked for ${length} bytes at ${offset} of ${name}, which has ${size} bytes. ` +
          "Stay inside [0, size].",
      );
    }
  }

  async function readInto(offset: number, target: Uint8Array, options: ReadOptions = {}): Promise<void> {
    check(offset, target.length, options.signal);
    if (target.length > 0) await parts.readInto(offset, target, options.signal);
    throwIfAborted(options.signal);
  }

  return {
    name,
    size,
    async read(offset, length, options = {}) {
      check(offset, length, options.signal); // before the allocation
      const bytes = new Uint8Array(length);
      await readInto(offset, bytes, options);
      return bytes;
    },
    readInto,
    async close() {
      if (closed) return;
      closed = true;
      await parts.close?.();
    },
  };
}
