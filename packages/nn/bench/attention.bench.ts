import { availableParallelism } from "node:os";
import type { Bench, BenchContext } from "../../../tools/bench/harness.ts";
import { type AttentionWork, attentionFlops } from "../../../tools/bench/peers/attention-workload.ts";
import { TfjsWasm } from "../../../tools/bench/peers/tfjs-wasm.ts";
import { Runner } from "../../../tools/bench/runner.ts";

const SHAPE = { heads: 8, length: 1024, headDim: 64 } as const;
const WORKS: AttentionWork[] = [false, true].flatMap((backward) =>
  [false, true].map((causal) => ({ ...SHAPE, causal, backward })),
);
const TOLERANCE = 1e-3; // of the last number, relative
const MEMORY_LENGTHS = { fused: [1024, 2048, 4096, 8192], composed: [1024, 2048] } as const;

const bench: Bench = {
  name: "attention",
  description:
    "Our fused attention, 8 heads of 1024 x 64, against the same composed of our own ops, and of those of tfjs-backend-wasm " +
    "4.22.0 with its own gradients: forward, and forward with all gradients. The floor is of one thread and counts no exponentials.",

  async run(context) {
    await using tfjs = await TfjsWasm.start();
    const counts = [...new Set([1, Math.min(8, availableParallelism())])];
    for (const work of WORKS) {
      for (const threads of counts)
        await compareAttention(context, work, threads, threads === 1 ? tfjs : undefined);
    }
    for (const [kind, lengths] of Object.entries(MEMORY_LENGTHS)) {
      for (const length of lengths) await recordMemory(context, kind, length);
    }
  },
};

/** @param tfjs - a peer on one thread */
async function compareAttention(
  { compare }: BenchContext,
  work: AttentionWork,
  threads: number,
  tfjs: TfjsWasm | undefined,
): Promise<void> {
  await using fused = await start("fused", threads, work);
  await using composed = await start("composed", threads, work);
  const request = { run: "attention", ...work } as const;
  const [ours = Number.NaN, ...others] = [
    (await fused.run()).value,
    (await composed.run()).value,
    ...(tfjs ? [(await tfjs.attention(request)).value] : []),
  ];
  for (const value of others) {
    if (Math.abs((value ?? Number.NaN) - ours) <= TOLERANCE * Math.abs(ours)) continue;
    throw new Error(
      `attention: the last number is ${ours} for ours and ${value} for a peer. They do different work.`,
    );
  }
  const { causal, backward } = work;
  await compare({
    name: `${backward ? "forward and backward" : "forward"}, ${causal ? "causal" : "full"}, ${threads} thread${threads > 1 ? "s" : ""}`,
    ours: fused.contender("fused"),
    peers: [
      composed.contender("composed, our ops"),
      ...(tfjs ? [tfjs.contender("composed, tfjs", request)] : []),
    ],
    warmup: 1,
    rounds: tfjs && backward ? 5 : 10,
    work: { flops: attentionFlops(work) },
  });
}

/** What the heap grows by in a causal forward and backward pass, inputs aside. It grows in steps of up to a fifth. */
async function recordMemory({ record }: BenchContext, kind: string, length: number): Promise<void> {
  await using runner = await start(kind, 1, { ...SHAPE, length, causal: true, backward: true });
  const { bytes = Number.NaN } = await runner.run();
  record(`heap of forward and backward, ${kind}, length ${length} (MiB)`, bytes / 2 ** 20);
}

function start(kind: string, threads: number, work: AttentionWork): Promise<Runner> {
  const script = new URL("attention-process.ts", import.meta.url);
  return Runner.start(script, [kind, String(threads), JSON.stringify(work)]);
}

export default bench;
