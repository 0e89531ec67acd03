/**
 * GFLOPS of the gemm kernels on one thread, beside the peak of this machine: independent fused multiply-adds.
 *
 * Run: node_modules/.bin/node packages/backend-wasm/bench/gemm.ts [relaxed|simd]
 */
import { createHeap } from "../../../tools/kernels/harness.ts";
import relaxed from "../src/generated/kernels-relaxed.ts";
import simd from "../src/generated/kernels-simd.ts";

const heap = createHeap(process.argv[2] === "simd" ? simd : relaxed);
const { call } = heap;

/** Seconds of the fastest of many runs: neighbours on the machine only ever add. */
function fastest(run: () => void, seconds = 0.6): number {
  for (let i = 0; i < 20; i++) run(); // lets the optimizing compiler finish
  let best = Number.POSITIVE_INFINITY;
  const until = performance.now() + seconds * 1000;
  do {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
  } while (performance.now() < until);
  return best / 1000;
}

const fused = createHeap(relaxed); // the peak is that of fused multiply-adds, whichever build is measured
const inputs = fused.put(new Float32Array(64).fill(1e-3));
const steps = 20_000;
const peak = (steps * 24 * 8) / fastest(() => fused.call("fmaPeak", steps, inputs), 0.3) / 1e9;
console.log(`peak of independent multiply-adds: ${peak.toFixed(1)} GFLOPS\n`);

const FORMS = ["NN", "NT", "TN", "TT"];
const SHAPES: [label: string, M: number, N: number, K: number][] = [
  ["512^3", 512, 512, 512],
  ["1024^3", 1024, 1024, 1024],
  ["forward", 1024, 512, 128],
  ["forward", 1024, 128, 512],
  ["gradient", 512, 128, 1024],
  ["gradient", 128, 512, 1024],
  ["attention", 128, 128, 32],
  ["attention", 128, 32, 128],
  ["decode", 1, 2048, 2048],
  ["decode", 4, 2048, 2048],
];

console.log(["shape".padEnd(26), ...FORMS.map((f) => f.padStart(14))].join(""));
for (const [label, M, N, K] of SHAPES) {
  heap.reset();
  const a = heap.put(Float32Array.from({ length: M * K }, Math.random));
  const b = heap.put(Float32Array.from({ length: K * N }, Math.random));
  const c = heap.allocate(M * N * 4);
  const scratch = heap.allocate(call("gemmScratchBytes", M, N, K));
  const cells = [0, 1, 2, 3].map((form) => {
    const [transA, transB] = [form >> 1, form & 1];
    const seconds = fastest(() =>
      call("gemm", transA, transB, M, N, K, a, transA ? M : K, b, transB ? K : N, c, N, 1, 0, scratch),
    );
    const rate = (2 * M * N * K) / seconds / 1e9;
    return `${rate.toFixed(1)} (${((100 * rate) / peak).toFixed(0)} %)`.padStart(14);
  });
  console.log([`${label} ${M}x${N}x${K}`.padEnd(26), ...cells].join(""));
}

console.log("\nB stored in 16 bits, NT:");
for (const [M, N, K] of [
  [1, 4096, 1280],
  [512, 1280, 1280],
] as const) {
  heap.reset();
  const a = heap.put(Float32Array.from({ length: M * K }, Math.random));
  const b = heap.put(new Uint16Array(N * K).fill(0x3c00));
  const c = heap.allocate(M * N * 4);
  const scratch = heap.allocate(call("gemmScratchBytes", M, N, K));
  const cells = ["f16", "bf16"].map((name, i) => {
    const seconds = fastest(() => call("gemmPackedB", i + 1, 0, 1, M, N, K, a, K, b, K, c, N, 1, 0, scratch));
    return `${name} ${((2 * M * N * K) / seconds / 1e9).toFixed(1)} GFLOPS`;
  });
  console.log(`${M}x${N}x${K}  ${cells.join("  ")}`);
}
