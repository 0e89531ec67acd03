import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { wasm } from "@corenet/backend-wasm";
import { webgpu } from "@corenet/backend-webgpu";
import { hubCache } from "@corenet/formats";
import { activeBackend, matMul, readData, type Tensor2D, tensor, useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { relaxedSimd, simd } from "wasm-feature-detect";
import { bytesText } from "../terminal/bytes-text.ts";
import { wrapText } from "../terminal/wrap-text.ts";
import { checkOptions, commonOptions } from "./options.ts";

const options = {
  json: { type: "boolean", description: "Print it as JSON." },
  ...commonOptions,
} as const;

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  readonly value: string | number | boolean;
  /** What it enables, or what to do about it. */
  readonly note: string;
}

/** The command that says what this machine can do for corenet. */
export const doctorCommand = defineCommand({
  meta: {
    name: "doctor",
    description: "What this machine enables: Node, SIMD, threads, WebGPU, memory, speed.",
  },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const findings = await examine();
    if (args.json) {
      process.stdout.write(`${JSON.stringify(findings)}\n`);
      return;
    }
    process.stdout.write(findingsText(findings, process.stdout.columns));
  },
});

/**
 * A line each. In `columns`, long notes go on below themselves, and below all else where it is narrow; without, each
 * stays on its line, for `grep`.
 */
export function findingsText(findings: readonly Finding[], columns?: number): string {
  const names = Math.max(...findings.map(({ name }) => name.length)) + 2;
  const values = Math.max(...findings.map(({ value }) => String(value).length)) + 2;
  const isWide = columns === undefined || columns >= names + values + 30;
  const indent = isWide ? names + values : 4;
  return findings
    .map(({ name, value, note }) => {
      const front = name.padEnd(names) + (isWide ? String(value).padEnd(values) : String(value));
      if (columns === undefined) return `${front}${note}\n`;
      const lines = wrapText(note, Math.max(20, columns - indent - 1)).map(
        (line) => " ".repeat(indent) + line,
      );
      if (isWide) lines[0] = front + (lines[0] ?? "").slice(indent);
      else lines.unshift(front);
      return `${lines.join("\n")}\n`;
    })
    .join("");
}

/** Looks at the machine; takes about a second. */
export async function examine(): Promise<Finding[]> {
  const findings: Finding[] = [];
  const add = (name: string, value: Finding["value"], note: string) => findings.push({ name, value, note });
  const major = Number(process.versions.node.split(".")[0]);
  add("Node", process.versions.node, major >= 22 ? "supported" : "corenet needs 22 or later: update Node");
  add("CPU", cpus()[0]?.model.trim() ?? "unknown", `${availableParallelism()} threads at hand`);
  add(
    "memory",
    `${bytesText(freemem())} of ${bytesText(totalmem())}`,
    "free; one WebAssembly heap holds 4.3 GB",
  );

  const hasSimd = await simd();
  const relaxed = await relaxedSimd();
  add(
    "SIMD",
    hasSimd,
    hasSimd ? "the wasm backend runs" : "only the cpu backend runs, 10 to 100 times slower",
  );
  add(
    "relaxed SIMD",
    relaxed,
    relaxed ? "fused multiply-adds and int8 dot products" : "products take twice the time",
  );
  if (hasSimd) {
    await useBackend(wasm());
    const threads = activeBackend().wasm?.threads ?? 1;
    add("wasm threads", threads, threads > 1 ? "large products are shared" : "one thread does all");
    add("f32 product", `${(await productGflops()).toFixed(1)} GFLOPS`, "512 x 512 x 512 on all threads");
    add(
      "f32 reading",
      `${(await readingGBps()).toFixed(1)} GB/s`,
      "a matrix of 64 MB by a vector: what decoding lives on",
    );
  }
  add(
    "isolation",
    "not needed",
    "Node shares memory among threads; a page needs COOP and COEP headers for it",
  );
  for (const finding of await webGpuFindings()) findings.push(finding);
  const cache = hubCache();
  add("hub cache", bytesText((await cache.estimate()).usedBytes), cache.name);
  return findings;
}

async function productGflops(): Promise<number> {
  const N = 512;
  const a = ramp([N, N]);
  return (2 * N ** 3) / 1e6 / (await bestMs(() => matMul(a, a)));
}

async function readingGBps(): Promise<number> {
  const w = ramp([4096, 4096]);
  const x = ramp([1, 4096]);
  return (w.size * 4) / 1e6 / (await bestMs(() => matMul(x, w, { transposeB: true })));
}

function ramp(shape: [number, number]): Tensor2D {
  return tensor(
    Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => (i % 7) - 3),
    shape,
  );
}

/** Milliseconds of the fastest of the calls that fit into a quarter of a second. */
async function bestMs(work: () => Tensor2D): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + 250; performance.now() < end; ) {
    const start = performance.now();
    const result = work();
    await readData(result);
    best = Math.min(best, performance.now() - start);
    result.dispose();
  }
  return best;
}

/** Adapter, limits and features, or why there is none. */
async function webGpuFindings(): Promise<Finding[]> {
  try {
    const backend = await useBackend(webgpu());
    const host = activeBackend().webgpu;
    const found: Finding[] = [
      {
        name: "WebGPU",
        value: true,
        note: `the webgpu backend runs on ${host?.adapter || "a GPU without a name"}`,
      },
    ];
    if (host) {
      const { limits, features } = host;
      const half = features.has("shader-f16") ? "f16 arithmetic" : "no f16 arithmetic";
      const groups = features.has("subgroups") ? "subgroups" : "no subgroups";
      found.push(
        {
          ...{ name: "WebGPU buffer", value: bytesText(limits.maxStorageBufferBindingSize) },
          note: `the largest tensor; a buffer holds ${bytesText(limits.maxBufferSize)}`,
        },
        {
          ...{ name: "WebGPU group", value: `${limits.maxComputeInvocationsPerWorkgroup} threads` },
          note: `${bytesText(limits.maxComputeWorkgroupStorageSize)} of shared memory; ${groups}, ${half}`,
        },
      );
    }
    await backend.dispose?.();
    return found;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const note = reason.replaceAll(/\s+/g, " ").replace("useBackend: no backend started. webgpu: ", "");
    return [{ name: "WebGPU", value: false, note }];
  }
}
