import { describe, expect, test } from "vitest";
import { fromBase64 } from "../binary.ts";
import kernels from "../generated/kernels-relaxed.ts";
import { declareShared } from "../shared-memory.ts";
import { ThreadPool } from "./pool.ts";

const memory = new WebAssembly.Memory({ initial: 64, maximum: 128, shared: true });
const module = new WebAssembly.Module(declareShared(fromBase64(kernels), true));
const functions = new WebAssembly.Instance(module, { env: { memory } }).exports as Record<
  string,
  (...args: number[]) => number
>;
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

  test("names a function that the module lacks", () => {
    const pool = new ThreadPool(memory, 2);
    const run = () => pool.run({ module, functions, fn: "nothing", tasks: 1, grain: 1, args: [] });
    expect(run).toThrow('has no "nothing". Build it again');
  });
});
