import { describe, expect, test } from "vitest";
import { fromBase64 } from "../binary.ts";
import kernels from "../generated/kernels-relaxed.ts";
import { declareShared } from "../shared-memory.ts";
import { ThreadPool } from "./pool.ts";

const memory = new WebAssembly.Memory({ initial: 64, maximum: 128, shared: true });
const module = new WebAssembly.Module(declareShared(fromBase64(kernels), true));
const instanceOf = (of: WebAssembly.Module) =>
  new WebAssembly.Instance(of, { env: { memory } }).exports as Record<string, (...args: number[]) => number>;
const functions = instanceOf(module);
const floats = (address: number, length: number) => new Float32Array(memory.buffer, address, length);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** maximum(a, b) of `tasks` elements: a counts up, b is 1000. */
function maximum(pool: ThreadPool, tasks: number): Float32Array {
  const [a, b, out] = [1024, 1024 + 4 * tasks, 1024 + 8 * tasks];
  floats(a, tasks).forEach((_, i, all) => {
    all[i] = i;
  });
  floats(b, tasks).fill(1000);
  floats(out, tasks).fill(-1);
  pool.run({ module, functions, fn: "maximum", tasks, grain: 64, args: [a, b, out] });
  return floats(out, tasks).slice();
}

/**
 * Two kernels (p, begin, end): where p is not 0 they write 1 to address 1024, and then `hang` loops for ever and `trap`
 * traps; where it is 0 they wait for that 1, a while.
 */
function lostWorkers(): WebAssembly.Module {
  const section = (id: number, ...content: number[]) => [id, content.length, ...content];
  const text = (name: string) => [name.length, ...new TextEncoder().encode(name)];
  const [here, loop, end] = [[0x41, 0x80, 0x08], [0x03, 0x40], 0x0b]; // i32.const 1024; loop; end
  const body = (end1: number[]) => {
    const meet = [...here, 0x41, 1, 0x36, 2, 0, ...end1]; // i32.store
    const count = [0x20, 3, 0x41, 1, 0x6a, 0x22, 3, 0x41, 0x80, 0x80, 0x80, 0x04, 0x49]; // (left += 1) < 2^23
    const wait = [...loop, ...here, 0x28, 2, 0, 0x45, ...count, 0x71, 0x0d, 0, end]; // while load is 0 and so on
    const code = [1, 1, 0x7f, 0x20, 0, 0x04, 0x40, ...meet, 0x05, ...wait, end, end]; // if p … else … end
    return [code.length, ...code];
  };
  const hang = body([...loop, 0x0c, 0, end]);
  const trap = body([0x00]);
  const bytes = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0),
    ...section(2, 1, ...text("env"), ...text("memory"), 2, 3, 1, 0x80, 1), // shared, 1 to 128 pages
    ...section(3, 2, 0, 0),
    ...section(7, 2, ...text("hang"), 0, 0, ...text("trap"), 0, 1),
    ...section(10, 2, ...hang, ...trap),
  ];
  return new WebAssembly.Module(new Uint8Array(bytes));
}

// A page that is not isolated from other origins has none, and no pool.
describe.skipIf(typeof SharedArrayBuffer === "undefined")("a pool", () => {
  test("covers every task once, before and after the workers are awake", async () => {
    const pool = new ThreadPool(memory, 4);
    try {
      for (let round = 0; round < 30; round++) {
        const tasks = 1 + round * 997;
        const result = maximum(pool, tasks);
        expect(result.every((x, i) => x === Math.max(i, 1000))).toBe(true);
        if (round % 5 === 0) await sleep(30); // lets workers start, and fall asleep
      }
    } finally {
      pool.dispose();
    }
  });

  test("has the workers really take part", async () => {
    const pool = new ThreadPool(memory, 2);
    try {
      // Each thread fills room of its own: the stride shows whose hand it was.
      const [addressA, addressB, base, stride] = [1024, 65536, 131072, 524288];
      floats(addressA, 16384).fill(1);
      floats(addressB, 16384).fill(2);
      const out = { address: base, stride };
      let shared = false;
      for (let round = 0; round < 200 && !shared; round++) {
        pool.run({
          module,
          functions,
          fn: "maximum",
          tasks: 16384,
          grain: 64,
          args: [addressA, addressB, out],
        });
        shared = floats(base + stride, 16384).some((x) => x === 2);
        await sleep(5);
      }
      expect(shared).toBe(true);
    } finally {
      pool.dispose();
    }
  });

  test("goes on alone when its workers are gone", () => {
    const pool = new ThreadPool(memory, 3);
    maximum(pool, 5000);
    pool.dispose();
    expect(maximum(pool, 5000).every((x, i) => x === Math.max(i, 1000))).toBe(true);
  });

  test.each([
    ["hang", "a worker did not come back within 0.2 s"],
    ["trap", "a worker failed in a kernel"],
  ])("a worker that is lost in a %s is named, and the process goes on alone", async (fn, reason) => {
    const pool = new ThreadPool(memory, 2, { patienceMs: 200 });
    const hostile = lostWorkers();
    const call = { module: hostile, functions: instanceOf(hostile), fn, tasks: 4, grain: 1 };
    try {
      const meeting = { address: 0, stride: 64 }; // 0 on this thread, 64 on the worker
      const run = () => pool.run({ ...call, args: [meeting] });
      let error: unknown;
      // A worker that is not awake yet leaves a call to the others.
      for (let round = 0; round < 100 && !error; round++) {
        floats(1024, 1).fill(0);
        try {
          run();
        } catch (thrown) {
          error = thrown;
        }
        await sleep(10);
      }
      expect(String(error)).toBe(
        `BackendError: wasm: ${reason}; results are not complete. Go on from the last checkpoint: one thread computes from now on.`,
      );
      expect(maximum(pool, 5000).every((x, i) => x === Math.max(i, 1000))).toBe(true);
    } finally {
      pool.dispose();
    }
  });

  test("names a function that the module lacks", () => {
    const pool = new ThreadPool(memory, 2);
    const run = () => pool.run({ module, functions, fn: "nothing", tasks: 1, grain: 1, args: [] });
    expect(run).toThrow('has no "nothing". Build it again');
  });
});
