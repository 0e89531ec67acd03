// One build for threads and for none. A module that declares or imports shared memory does not link to unshared
// memory, nor the reverse; but all that tells them apart in the file is one byte of the memory's limits.

const SECTION = { import: 2, memory: 5 } as const;
const MEMORY_IMPORT = 2;
const SHARED = 3; // limits with a maximum, shared
const UNSHARED = 1; // limits with a maximum

/**
 * The module with its memory, imported or its own, declared as shared or not. Changed in place.
 *
 * @throws TypeError when it has no memory with a maximum
 * @see WebAssembly core specification, binary format of limits; threads proposal
 */
export function declareShared(module: Uint8Array<ArrayBuffer>, shared: boolean): Uint8Array<ArrayBuffer> {
  const at = findLimits(module);
  if (at === undefined || (module[at] !== SHARED && module[at] !== UNSHARED)) {
    throw new TypeError(
      "declareShared: the module has no memory with a maximum. Build it with --maximumMemory.",
    );
  }
  module[at] = shared ? SHARED : UNSHARED;
  return module;
}

/** Where the limits of the module's memory begin. */
function findLimits(bytes: Uint8Array): number | undefined {
  const reader = new Reader(bytes, 8); // behind magic and version
  while (reader.at < bytes.length) {
    const section = reader.byte();
    const length = reader.number();
    const end = reader.at + length;
    if (section === SECTION.memory) {
      reader.number(); // how many: one
      return reader.at;
    }
    if (section === SECTION.import) {
      const found = findImport(reader);
      if (found !== undefined) return found;
    }
    reader.at = end;
  }
  return undefined;
}

function findImport(reader: Reader): number | undefined {
  for (let left = reader.number(); left > 0; left--) {
    reader.skipName();
    reader.skipName();
    const kind = reader.byte();
    if (kind === MEMORY_IMPORT) return reader.at;
    if (kind !== 0) return undefined; // tables and globals have other forms; ours import none
    reader.number(); // a function's type
  }
  return undefined;
}

class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    return this.#bytes[this.at++] ?? 0;
  }

  /** An unsigned LEB128 number. */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  skipName(): void {
    const length = this.number();
    this.at += length;
  }
}

export function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
}
