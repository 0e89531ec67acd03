import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type Bench,
  type BenchReport,
  type Contender,
  compare,
  formatComparison,
  runBench,
} from "./harness.ts";

/** Reports `times` in turn, and notes each of its runs in `log`. */
function scripted(name: string, times: readonly number[], log: string[] = []): Contender {
  let turn = 0;
  return {
    name,
    run: async () => {
      log.push(name);
      return times[turn++ % times.length];
    },
  };
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "bench-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("lets the contenders take turns, warm-up included", async () => {
  const log: string[] = [];
  const peers = [scripted("b", [1], log), scripted("c", [1], log)];
  await compare({ name: "turns", ours: scripted("a", [1], log), peers, warmup: 1, rounds: 2 });
  expect(log.join("")).toBe("abcabcabc");
});

test("leaves the warm-up out of the timings", async () => {
  const { standings } = await compare({
    name: "warm",
    ours: scripted("a", [100, 2, 4]),
    peers: [],
    warmup: 1,
    rounds: 2,
  });
  expect(standings[0]?.ms).toEqual([2, 4]);
  expect(standings[0]?.summary.median).toBe(3);
});

test("divides neighbours in time, so that drift does not tilt the ratio", async () => {
  const ours = scripted("ours", [1, 2, 30]); // the machine slows down
  const peers = [scripted("peer", [3, 6, 90])];
  const { standings } = await compare({ name: "drift", ours, peers, warmup: 0, rounds: 3 });
  expect(standings[1]?.ratio).toMatchObject({ q1: 3, median: 3, q3: 3 });
  expect(standings[0]?.ratio.median).toBe(1);
});

test("turns known work into rates and a distance from the floor", async () => {
  const floor = { fmaGflops: 50, mulAddGflops: 25, readGBps: 10 };
  const work = { flops: 100e6, bytes: 5e6 }; // at least 2 ms of arithmetic, or 0.5 ms of reading
  const { standings } = await compare({ name: "w", ours: scripted("a", [4]), peers: [], floor, work });
  expect(standings[0]).toMatchObject({ gflops: 25, gbps: 1.25, timesFloor: 2 });
});

test("falls back to plain SIMD where the floor has no fused multiply-add", async () => {
  const floor = { fmaGflops: Number.NaN, mulAddGflops: 25, readGBps: 10 };
  const { standings } = await compare({
    name: "w",
    ours: scripted("a", [4]),
    peers: [],
    floor,
    work: { flops: 100e6 },
  });
  expect(standings[0]?.timesFloor).toBe(1);
});

test("takes the time itself where a contender reports none", async () => {
  const ours = {
    name: "sleeper",
    run: () => new Promise<undefined>((done) => setTimeout(() => done(undefined), 15)),
  };
  const { standings } = await compare({ name: "sleep", ours, peers: [], warmup: 0, rounds: 2 });
  expect(standings[0]?.summary.min).toBeGreaterThan(10);
});

test("prints medians, quartiles and ratios", async () => {
  const comparison = await compare({
    name: "matMul 2 x 2",
    ours: scripted("ours", [2]),
    peers: [scripted("peer", [5])],
    rounds: 4,
  });
  expect(formatComparison(comparison).split("\n")).toEqual([
    "matMul 2 x 2, 4 rounds",
    "      median ms      q1 .. q3          time / ours",
    "ours       2.00  2.00 .. 2.00                    1",
    "peer       5.00  5.00 .. 5.00  2.50 (2.50 .. 2.50)",
  ]);
});

test("stops when asked to", async () => {
  const controller = new AbortController();
  const ours: Contender = {
    name: "a",
    run: async () => {
      controller.abort(new Error("enough"));
      return 1;
    },
  };
  await expect(compare({ name: "s", ours, peers: [], signal: controller.signal })).rejects.toThrow("enough");
});

test("names the contender that fails, and keeps its error as the cause", async () => {
  const broken: Contender = { name: "broken", run: () => Promise.reject(new Error("out of memory")) };
  const failed = compare({ name: "f", ours: scripted("a", [1]), peers: [broken] });
  await expect(failed).rejects.toMatchObject({
    message: "compare: broken failed. See the cause.",
    cause: { message: "out of memory" },
  });
});

test("refuses what cannot be measured", async () => {
  const ours = scripted("a", [1]);
  await expect(compare({ name: "n", ours, peers: [], rounds: 0 })).rejects.toThrow("rounds is 0, expected");
  await expect(compare({ name: "n", ours, peers: [ours] })).rejects.toThrow('two contenders are named "a"');
  await expect(compare({ name: "n", ours: scripted("a", [0]), peers: [] })).rejects.toThrow("a took 0 ms");
});

test("writes what it measured, with the machine it was measured on", async () => {
  const lines: string[] = [];
  const bench: Bench = {
    name: "demo",
    description: "Compares two numbers.",
    run: async (context) => {
      await context.compare({ name: "c", ours: scripted("a", [1]), peers: [scripted("b", [2])], rounds: 2 });
      context.record("loss", 0.5);
      context.note("A peer is missing.");
    },
  };
  await runBench(bench, { directory, signal: AbortSignal.timeout(1e6), print: (line) => lines.push(line) });
  const report: BenchReport = JSON.parse(await readFile(join(directory, "demo.json"), "utf8"));
  expect(report.machine.node).toBe(process.version);
  expect(report.comparisons[0]?.standings[1]?.ms).toEqual([2, 2]);
  expect(report.records).toEqual({ loss: 0.5 });
  expect(report.notes).toEqual(["A peer is missing."]);
  expect(new Date(report.date).getTime()).toBeGreaterThan(Date.now() - 60_000);
  expect(lines.join("\n")).toContain("c, 2 rounds");
});

test("writes nothing for a bench that fails", async () => {
  const bench = { name: "bad", description: "Fails.", run: () => Promise.reject(new Error("no")) };
  const run = runBench(bench, { directory, signal: AbortSignal.timeout(1e6), print: () => {} });
  await expect(run).rejects.toThrow("no");
  expect(await readdir(directory)).toEqual([]);
});
