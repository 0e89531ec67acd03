import { availableParallelism } from "node:os";
import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import type { Bench, BenchContext, Contender } from "../../../tools/bench/harness.ts";
import { TorchTraining } from "../../../tools/bench/peers/openelm-torch.ts";
import { parameterShapes } from "../../../tools/bench/peers/openelm-workload.ts";
import { findPython, type PythonFound } from "../../../tools/bench/peers/python.ts";
import { TfjsWasm, type TrainStepRequest } from "../../../tools/bench/peers/tfjs-wasm.ts";
import { Runner } from "../../../tools/bench/runner.ts";
import { stepMemory } from "./step-memory.ts";
import {
  CLIP_NORM,
  LEARNING_RATE,
  SEED,
  type TrainWorkload,
  WORKLOADS,
  type WorkloadName,
  Z_LOSS,
} from "./training.ts";

const LOSS_TOLERANCE = 1e-4;

/** What each workload is compared with: tfjs's own gradients take minutes for a step of the largest. */
const COMPARISONS: readonly { name: WorkloadName; tfjs: readonly ("tuned" | "stock")[]; rounds: number }[] = [
  { name: "845 k", tfjs: ["tuned", "stock"], rounds: 15 },
  { name: "2.3 M", tfjs: ["tuned", "stock"], rounds: 5 },
  { name: "30 M", tfjs: ["tuned"], rounds: 3 },
];

const bench: Bench = {
  name: "train-step",
  description:
    "An OpenELM training step (loss, gradients, clipping, AdamW) on our wasm backend against the same step on PyTorch, eager " +
    "on the CPU, where PYTHON names one, and on tfjs-backend-wasm 4.22.0: gradients by hand (tuned), and tfjs's own (stock). " +
    "The floor is of one thread.",

  async run(context) {
    const python = await findPython(["torch", "numpy"]);
    if ("reason" in python) context.note(`PyTorch is left out: ${python.reason}`);
    for (const { name, tfjs, rounds } of COMPARISONS) {
      await compareWorkload(context, name, python, tfjs, rounds);
      await measureMemory(context, name);
    }
  },
};

/** What our step takes of the heap beyond weights and moments, against what the way back cannot do without. */
async function measureMemory({ record }: BenchContext, name: WorkloadName): Promise<void> {
  const { dispose } = await useBackend(wasm({ threads: 1 }));
  for (const checkpointLayers of [false, true]) {
    const { state, gradients, saved, peak } = await stepMemory(WORKLOADS[name], { checkpointLayers });
    const title = `${name}, ${checkpointLayers ? "layers checkpointed" : "nothing computed twice"}`;
    if (!checkpointLayers) record(`${name}: weights and moments (MB)`, state / 1e6);
    if (!checkpointLayers) record(`${name}: gradients (MB)`, gradients / 1e6);
    record(`${title}: saved activations (MB)`, saved / 1e6);
    record(`${title}: peak beyond weights and moments (MB)`, peak / 1e6);
    record(`${title}: that peak without gradients / saved`, (peak - gradients) / saved);
  }
  dispose?.();
}

async function compareWorkload(
  { compare, record, note }: BenchContext,
  name: WorkloadName,
  python: PythonFound,
  variants: readonly ("tuned" | "stock")[],
  rounds: number,
): Promise<void> {
  const workload: TrainWorkload = WORKLOADS[name];
  const { shape, batch, length } = workload;
  const threads = Math.min(8, availableParallelism()); // what wasm() takes
  const script = new URL("train-step-process.ts", import.meta.url);
  await using peers = new AsyncDisposableStack();
  const start = async (count: number) => peers.use(await Runner.start(script, [String(count), name]));
  const contenders: { contender: Contender; firstLoss: number | undefined }[] = [];
  for (const count of new Set([threads, 1])) {
    const ours = await start(count);
    const { value } = await ours.run();
    contenders.push({ contender: ours.contender(`ours, ${threadsText(count)}`), firstLoss: value });
  }
  if ("python" in python) {
    const options = { ...workload, python: python.python, seed: SEED, learningRate: LEARNING_RATE, threads };
    const torch = peers.use(await TorchTraining.start({ ...options, zLoss: Z_LOSS, clipNorm: CLIP_NORM }));
    const { value } = await torch.step();
    const contender = torch.contender(`PyTorch, ${threadsText(threads)}`);
    contenders.push({ contender, firstLoss: value });
    note(`${name}: PyTorch ${torch.version}.`);
  }
  const tfjs = peers.use(await TfjsWasm.start());
  for (const variant of variants) {
    const request: TrainStepRequest = {
      run: "trainStep",
      variant,
      config: shape,
      batch,
      length,
      seed: SEED,
      learningRate: LEARNING_RATE,
    };
    try {
      const { losses } = await tfjs.trainStep(request);
      contenders.push({ contender: tfjs.contender(`tfjs, ${variant}`, request), firstLoss: losses[0] });
    } catch (error) {
      const [reason] = String(error instanceof Error ? error.message : error).split("\n"); // its heap ends at 2 GiB
      note(`${name}: tfjs, ${variant}, failed, and is left out: ${reason}`);
    }
  }
  checkSameWork(contenders);

  const [ours, ...others] = contenders.map(({ contender }) => contender) as [Contender, ...Contender[]];
  const { standings } = await compare({
    name: `OpenELM training step, ${name} parameters, ${batch} x ${length} tokens`,
    ours,
    peers: others,
    warmup: 1,
    rounds,
    work: { flops: flopsOfStep(workload) },
  });
  record(`${name}: first loss (nats)`, contenders[0]?.firstLoss ?? Number.NaN);
  for (const standing of standings) {
    const perSecond = (batch * length * 1000) / standing.summary.median;
    record(`${name}: tokens/s, ${standing.name}`, perSecond);
  }
}

const threadsText = (count: number): string => (count === 1 ? "one thread" : `${count} threads`);

/** The products of one step: 6 a weight of a matrix and token, and the scores and reads that causality leaves. */
function flopsOfStep({ shape, batch, length }: TrainWorkload): number {
  const weights = Object.values(parameterShapes(shape))
    .filter((size) => size.length === 2)
    .reduce((sum, [rows = 0, columns = 0]) => sum + rows * columns, 0);
  const heads = shape.numQueryHeads.reduce((sum, count) => sum + count, 0);
  const attention = 6 * batch * heads * length ** 2 * shape.headDim; // half of all pairs, forward and twice backward
  return 6 * weights * batch * length + attention;
}

/** Throws unless all first losses agree. */
function checkSameWork(contenders: readonly { contender: Contender; firstLoss: number | undefined }[]): void {
  const [ours, ...others] = contenders.map(({ contender, firstLoss = Number.NaN }) => ({
    name: contender.name,
    loss: firstLoss,
  }));
  for (const { name, loss } of others) {
    if (ours && Math.abs(ours.loss - loss) <= LOSS_TOLERANCE) continue;
    throw new Error(
      `train-step: the first loss is ${ours?.loss} for ${ours?.name} and ${loss} for ${name}, expected at most ` +
        `${LOSS_TOLERANCE} between. They do different work: compare logits with golden/openelm.`,
    );
  }
}

export default bench;
