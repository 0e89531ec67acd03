import { readFile } from "node:fs/promises";
import asc from "assemblyscript/asc";

/** The best this machine does with one thread of WebAssembly: what a kernel is measured against. */
export interface Floor {
  /** f32 multiply-adds through `relaxed_madd`, 2 flops each; NaN where the engine lacks relaxed SIMD. */
  fmaGflops: number;
  /** f32 multiply and add as two instructions, plain SIMD128. */
  mulAddGflops: number;
  /** Reading 256 MiB, which no cache holds, front to back; 1 GB = 1e9 bytes. */
  readGBps: number;
}

interface FloorKernels {
  fusedMultiplyAdds(count: number, x: number, y: number): number;
  multiplyThenAdds(count: number, x: number, y: number): number;
  readAll(bytes: number): number;
}

const STREAM_BYTES = 256 * 2 ** 20;
const LOOPS = 200_000; // some 0.4 ms a call, so that a preempted call is one of many
const FLOPS_PER_LOOP = 13 * 4 * 2;

/**
 * Measures the floor in this process, on the thread that calls. Takes about two seconds.
 * The best of many short calls counts: whatever disturbs a call makes it slower, never faster.
 *
 * @param options.signal - stops between calls
 * @throws Error when AssemblyScript refuses the kernels in `assembly/floor.ts`
 */
export async function measureFloor(options: { signal?: AbortSignal } = {}): Promise<Floor> {
  const { signal } = options;
  const memory = new WebAssembly.Memory({ initial: STREAM_BYTES / 65536 });
  new Uint8Array(memory.buffer).fill(1); // untouched pages are all one page of zeros, which the cache holds
  const kernels = await compileFloor(memory);
  const gflops = (kernel: "fusedMultiplyAdds" | "multiplyThenAdds") =>
    (LOOPS * FLOPS_PER_LOOP) / 1e6 / best(400, () => kernels[kernel](LOOPS, 0.5, 1e-6), signal);

  return {
    fmaGflops: hasRelaxedSimd() ? gflops("fusedMultiplyAdds") : Number.NaN,
    mulAddGflops: gflops("multiplyThenAdds"),
    readGBps: STREAM_BYTES / 1e6 / best(700, () => kernels.readAll(STREAM_BYTES), signal),
  };
}

/**
 * Reads `bytes` of memory of its own once, front to back: what a product with one row cannot beat.
 *
 * @param bytes - a multiple of 64, at most 256 MiB
 */
export async function memoryReader(bytes: number): Promise<() => void> {
  const memory = new WebAssembly.Memory({ initial: STREAM_BYTES / 65536 });
  new Uint8Array(memory.buffer, 0, bytes).fill(1);
  const { readAll } = await compileFloor(memory);
  return () => void readAll(bytes);
}

/** Milliseconds of the fastest call of `run` within `budgetMs`; the first 100 ms also let the engine optimize. */
function best(budgetMs: number, run: () => number, signal?: AbortSignal): number {
  let fastest = Number.POSITIVE_INFINITY;
  const end = performance.now() + budgetMs;
  do {
    signal?.throwIfAborted();
    const start = performance.now();
    const result = run();
    fastest = Math.min(fastest, performance.now() - start);
    if (Number.isNaN(result))
      throw new Error("measureFloor: a kernel gave NaN, which the CPU may slow down.");
  } while (performance.now() < end);
  return fastest;
}

/** `i32x4.splat(0) relaxed_madd`: the smallest module that needs relaxed SIMD. */
function hasRelaxedSimd(): boolean {
  const body = [0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0xfd, 0x85, 0x02, 0x1a, 0x0b];
  const module = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0];
  return WebAssembly.validate(
    new Uint8Array([...module, 10, body.length + 3, 1, body.length + 1, 0, ...body]),
  );
}

async function compileFloor(memory: WebAssembly.Memory): Promise<FloorKernels> {
  const source = await readFile(new URL("assembly/floor.ts", import.meta.url), "utf8");
  const kept = hasRelaxedSimd()
    ? source
    : source.replace(/relaxed_madd\((\w+), (\w+), (\w+)\)/g, "add($3, $1)");
  let binary: Uint8Array | undefined;
  const args = [
    "floor.ts",
    "-o",
    "floor.wasm",
    "-O3",
    "--runtime",
    "stub",
    "--importMemory",
    "--noExportMemory",
  ];
  const { error, stderr } = await asc.main(
    [...args, "--initialMemory", String(STREAM_BYTES / 65536), "--enable", "simd,relaxed-simd"],
    {
      readFile: (name) => (name === "floor.ts" ? kept : null),
      writeFile: (name, contents) => {
        if (name === "floor.wasm" && typeof contents !== "string") binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) {
    throw new Error(`measureFloor: AssemblyScript refused assembly/floor.ts. ${stderr.toString()}`, {
      cause: error,
    });
  }
  const compiled = await WebAssembly.compile(Uint8Array.from(binary));
  const { exports } = await WebAssembly.instantiate(compiled, {
    env: {
      memory,
      abort: () => {
        throw new Error("measureFloor: a kernel aborted.");
      },
    },
  });
  const kernel = (name: string): ((...args: number[]) => number) => {
    const found = exports[name];
    if (typeof found !== "function") throw new Error(`measureFloor: assembly/floor.ts exports no ${name}.`);
    return (...numbers) => Number(found(...numbers));
  };
  return {
    fusedMultiplyAdds: kernel("fusedMultiplyAdds"),
    multiplyThenAdds: kernel("multiplyThenAdds"),
    readAll: kernel("readAll"),
  };
}
