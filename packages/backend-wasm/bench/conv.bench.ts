import { availableParallelism } from "node:os";
import type { Bench, BenchContext, Contender } from "../../../tools/bench/harness.ts";
import { findPython, PythonPeer } from "../../../tools/bench/peers/python.ts";
import { Runner, type RunReply } from "../../../tools/bench/runner.ts";
import type { ConvCase } from "./conv-process.ts";

const CASES: (ConvCase & { name: string })[] = [
  same("3 x 3, 56 x 56 x 64 to 64", [1, 56, 56, 64], 64, 3),
  same("3 x 3, 14 x 14 x 256 to 256", [1, 14, 14, 256], 256, 3),
  same("1 x 1, 56 x 56 x 64 to 256", [1, 56, 56, 64], 256, 1),
  {
    name: "3 x 3, stride 2, 224 x 224 x 3 to 32",
    x: [1, 224, 224, 3],
    outputs: 32,
    kernel: [3, 3],
    stride: [2, 2],
    padding: [1, 1],
  },
  {
    name: "patches of 16 x 16, 224 x 224 x 3 to 768",
    x: [1, 224, 224, 3],
    outputs: 768,
    kernel: [16, 16],
    stride: [16, 16],
    padding: [0, 0],
  },
  {
    name: "ByteFormer's 1-D, kernel 4, stride 2, 4096 x 192 to 192",
    x: [1, 1, 4096, 192],
    outputs: 192,
    kernel: [1, 4],
    stride: [1, 2],
    padding: [0, 0],
  },
  { ...same("depthwise 3 x 3, 112 x 112 x 32", [1, 112, 112, 32], 32, 3), depthwise: true },
  { ...same("depthwise 3 x 3, 14 x 14 x 512", [1, 14, 14, 512], 512, 3), depthwise: true },
];

const bench: Bench = {
  name: "conv",
  description:
    "conv2d on our wasm backend against tfjs-backend-wasm 4.22.0 as everyone gets it in Node, whose windows XNNPACK packs " +
    "once and keeps. A training pass is the result and the gradients of image and weight. tfjs has no kernel for the gradient " +
    "of a weight there; its time is that of the convolution by which an expert gets it, the turned image for free (depthwise: " +
    "without it). PyTorch is eager on the CPU, with channels first, where the variable PYTHON names one. One thread each where nothing is said; the floor too.",

  async run(context) {
    const found = await findPython(["torch"]);
    if ("reason" in found) context.note(`PyTorch is left out: ${found.reason}`);
    await using torch =
      "python" in found
        ? new PythonPeer(found.python, new URL("../../../tools/bench/peers/conv_torch.py", import.meta.url))
        : null;
    for (const one of CASES) await compareCase(one, torch, context);
  },
};

function same(name: string, x: ConvCase["x"], outputs: number, side: number): ConvCase & { name: string } {
  const margin = (side - 1) / 2;
  return { name, x, outputs, kernel: [side, side], stride: [1, 1], padding: [margin, margin] };
}

async function compareCase(
  { name, ...one }: ConvCase & { name: string },
  torch: PythonPeer | null,
  { compare }: BenchContext,
): Promise<void> {
  const script = new URL("conv-process.ts", import.meta.url);
  const start = (who: string, threads: number) =>
    Runner.start(script, [who, JSON.stringify(one), String(threads)]);
  const threads = Math.min(8, availableParallelism()); // what wasm() takes
  await using ours = await start("ours", 1);
  await using threaded = await start("ours", threads);
  await using tfjs = await start("tfjs", 1);
  const native = (what: string): Contender[] =>
    torch ? [{ name: "PyTorch", run: async () => (await torch.ask<RunReply>({ case: one, what })).ms }] : [];
  for (const [label, what, passes] of [
    ["forward", "forward", 1],
    ["training pass", "train", 3],
  ] as const) {
    await compare({
      name: `${name}, ${label}`,
      ours: ours.contender("ours", what),
      peers: [
        threaded.contender(`ours, ${threads} threads`, what),
        tfjs.contender("tfjs", what),
        ...native(what),
      ],
      rounds: 15,
      warmup: 3,
      work: { flops: passes * flopsOf(one) },
    });
  }
}

function flopsOf({ x, outputs, kernel, stride, padding, depthwise }: ConvCase): number {
  const [B, height, width, C] = x;
  const side = (input: number, axis: 0 | 1) =>
    Math.floor((input + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1;
  const pixels = B * side(height, 0) * side(width, 1);
  return 2 * pixels * outputs * kernel[0] * kernel[1] * (depthwise ? 1 : C);
}

export default bench;
