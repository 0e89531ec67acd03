import { fromBase64 } from "@corenet/core/platform";

/** A kernel module over a heap of its own, for tests and benches of the kernels alone. */
export interface Heap {
  /** Calls an export of the module: numbers in, a number or nothing out. */
  call(kernel: string, ...args: number[]): number;
  /** Calls a kernel whose last arguments are a range, over [0, tasks) in two parts. */
  inParts(kernel: string, tasks: number, ...args: number[]): void;
  /** The address of `bytes` new bytes, aligned to 16, with a guard behind them. */
  allocate(bytes: number): number;
  /** The address of a copy of `values`. */
  put(values: readonly number[] | ArrayBufferView): number;
  /** A copy of `length` floats. Throws when any guard was written to. */
  floats(address: number, length: number): Float32Array;
  /** A view of the whole heap, valid until the next allocation. */
  bytes(): Uint8Array;
  /** Forgets what was allocated. */
  reset(): void;
}

const POISON = 0xff; // read as f32: NaN, so that what a kernel forgot to write shows
const GUARD = 64; // bytes
const GUARD_BYTE = 0xa5; // not the poison: NaN read behind the end and written back would not show

/** Links `module` (base64) to an unshared memory. What is allocated is full of NaN. */
export function createHeap(module: string): Heap {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(fromBase64(module)), { env: { memory } });
  let top = 1024;
  let guards: number[] = [];

  function checkGuards(): void {
    const bytes = new Uint8Array(memory.buffer);
    for (const guard of guards) {
      if (bytes.subarray(guard, guard + GUARD).every((byte) => byte === GUARD_BYTE)) continue;
      throw new RangeError(
        `floats: a kernel wrote behind the ${guards.indexOf(guard)}th allocation. Mend its bounds.`,
      );
    }
  }

  function allocate(bytes: number): number {
    const address = (top + 15) & ~15;
    top = address + bytes + GUARD;
    const missing = top - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    new Uint8Array(memory.buffer, address, bytes).fill(POISON);
    new Uint8Array(memory.buffer, address + bytes, GUARD).fill(GUARD_BYTE);
    guards.push(address + bytes);
    return address;
  }

  function call(kernel: string, ...args: number[]): number {
    const run = instance.exports[kernel];
    if (typeof run !== "function") throw new TypeError(`call: the module does not export ${kernel}.`);
    return run(...args);
  }

  return {
    call,
    inParts(kernel, tasks, ...args) {
      const cut = Math.floor(tasks / 3);
      call(kernel, ...args, 0, cut);
      call(kernel, ...args, cut, tasks);
    },
    allocate,
    put(values) {
      const typed = ArrayBuffer.isView(values) ? values : new Float32Array(values);
      const address = allocate(typed.byteLength);
      const source = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
      new Uint8Array(memory.buffer).set(source, address);
      return address;
    },
    floats(address, length) {
      checkGuards();
      return new Float32Array(memory.buffer, address, length).slice();
    },
    bytes: () => new Uint8Array(memory.buffer),
    reset() {
      top = 1024;
      guards = [];
    },
  };
}

/** `values[index]`, for sure. */
export function at(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`at: index is ${index}, expected [0, ${values.length}).`);
  return value;
}

/** Numbers in [-2, 2) that depend on the seed alone. */
export function noise(length: number, seed: number): Float32Array {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 30 - 2;
  });
}
