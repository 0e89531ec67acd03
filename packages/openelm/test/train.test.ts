// Twenty AdamW steps with the settings of the recipe, against the reference's; and a resume that changes no bit.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crossEntropy } from "@corenet/nn";
import { forward, type OpenElm, type OpenElmParams } from "@corenet/openelm";
import {
  mapTree,
  memory,
  readData,
  slice,
  type Tensor,
  type Tensor2D,
  type TensorTree,
  tensor,
  treeEntries,
  zerosLike,
} from "@corenet/tensor";
import {
  adamw,
  type BatchSource,
  cosineSchedule,
  createAdamwState,
  type TrainOptions,
  train,
} from "@corenet/train";
import { expect, test } from "vitest";
import { loadGolden, onEveryBackend } from "../../../tools/testing/index.ts";
import { loadTiny } from "./models.ts";

const golden = await loadGolden("openelm/train");
const tiny = await loadGolden("openelm/tiny");
const { optimizer, schedule: curve, no_decay, groups } = golden.json.config;
const [steps, B, T, padding] = [20, 2, 13, 96];
const series = (name: string): number[] => Array.from(golden.tensors.get(`output.${name}`)?.data ?? []);

interface Batch {
  readonly tokens: Tensor2D;
  readonly targets: Tensor2D;
}

const idsOf = (step: number): number[] =>
  Array.from(golden.tensors.get("input.tokens")?.data ?? []).slice(
    step * B * (T + 1),
    (step + 1) * B * (T + 1),
  );

function goldenBatches(): BatchSource<Batch> {
  let step = 0;
  return {
    next() {
      const ids = tensor(Int32Array.from(idsOf(step % steps)), [B, T + 1]);
      step += 1;
      const batch = { tokens: slice(ids, [0, 0], [B, T]), targets: slice(ids, [0, 1], [B, T]) };
      ids.dispose();
      return batch;
    },
    save: () => step,
    restore(saved) {
      step = saved as number;
    },
  };
}

/** What the reference adds to its z-loss for every ignored target, and we do not. */
function referenceConstant(step: number): number {
  const targets = idsOf(step).filter((_, i) => i % (T + 1) > 0);
  const ignored = targets.filter((id) => id === padding).length;
  return (1e-4 * Math.log(97) ** 2 * ignored) / (targets.length - ignored);
}

const schedule = cosineSchedule({
  peak: curve.max_lr,
  min: curve.min_lr,
  total: curve.max_iterations,
  warmup: curve.warmup,
  warmupInit: curve.warmup_init_lr,
  roundDecimals: 8,
});

function optionsFor(model: OpenElm): TrainOptions<TensorTree, Batch> {
  return {
    params: model.params as TensorTree,
    loss: (params, { tokens, targets }) => {
      const logits = model.withParams(params).forward(tokens);
      return crossEntropy(logits, targets, { ignoreIndex: padding, zLoss: 1e-4 });
    },
    batches: goldenBatches(),
    optimizer: {
      beta1: optimizer.betas[0],
      beta2: optimizer.betas[1],
      eps: optimizer.eps,
      weightDecay: optimizer.weight_decay,
    },
    clip: optimizer.clip,
    schedule,
    steps,
  };
}

const readAll = async (params: TensorTree): Promise<Float32Array[]> =>
  Promise.all(Array.from(treeEntries<Tensor>(params), ([, leaf]) => readData(leaf)));

test("the learning rate of every step", () => {
  for (const [step, rate] of series("lr").entries())
    expect(Math.abs(schedule(step) - rate)).toBeLessThan(1e-9);
});

onEveryBackend((backend) => {
  test("losses, gradient norms and the logits at the end", async () => {
    using model = await loadTiny();
    const { params, history } = await train(optionsFor(model));
    const [losses, norms] = [series("total_loss"), series("grad_norm")];
    expect(history.length).toBe(steps);
    for (const [step, { loss, gradNorm }] of history.entries()) {
      expect(
        Math.abs(loss + referenceConstant(step) - (losses[step] as number)),
        `loss ${step}`,
      ).toBeLessThan(5e-5);
      expect(Math.abs(gradNorm / (norms[step] as number) - 1), `norm ${step}`).toBeLessThan(1e-4);
    }
    const logits = forward(tiny.tensor("input.tokens") as Tensor2D, params as OpenElmParams, model.config);
    await expect(logits).toBeAllClose(golden.tensor("output.final_logits"), { atol: 5e-4, rtol: 0 });
    expect(Math.min(...losses)).toBeLessThan(losses[0] as number); // it does learn
  });

  test("resumed at step 10 from a checkpoint, the run is the same to the bit", async () => {
    using model = await loadTiny();
    const whole = await train(optionsFor(model));
    const folder = await mkdtemp(join(tmpdir(), "openelm-train-"));
    try {
      const first = await train({ ...optionsFor(model), steps: 10, checkpoint: { folder } });
      expect(first.step).toBe(10);
      const second = await train({ ...optionsFor(model), checkpoint: { folder } });
      expect(second.step).toBe(steps);
      expect(second.history.map((record) => record.loss)).toEqual(whole.history.map((record) => record.loss));
      const [saw, wanted] = [await readAll(second.params), await readAll(whole.params)];
      for (const [i, values] of saw.entries()) expect(values).toEqual(wanted[i]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("decay reaches the matrices and the embedding, no gain", async () => {
    using model = await loadTiny();
    const params = model.params as TensorTree;
    // With gradients of zero, an update is the decay alone.
    const flat = Object.fromEntries(treeEntries<Tensor>(params));
    const still = mapTree(flat, (leaf) => zerosLike(leaf));
    const after = adamw(flat, still, createAdamwState(flat), { learningRate: 0.5, weightDecay: 0.1 }).params;
    const kept: string[] = [];
    for (const [path, leaf] of Object.entries(flat)) {
      const [before, now] = [await readData(leaf), await readData(after[path] as Tensor)];
      const ratio = (now[0] as number) / (before[0] as number);
      if (Math.abs(ratio - 1) < 1e-6) kept.push(path);
      else expect(ratio).toBeCloseTo(0.95, 5);
    }
    expect(kept.toSorted()).toEqual([...no_decay].toSorted());
    expect([Object.keys(flat).length - kept.length, kept.length]).toEqual(
      groups.map((group: { tensors: number }) => group.tensors),
    );
  });

  test("memory is flat over 100 steps", async () => {
    using model = await loadTiny();
    const seen: string[] = [];
    const before = memory();
    const count = backend === "wasm" ? 100 : 25;
    await train({
      ...optionsFor(model),
      steps: count,
      schedule: () => 1e-4,
      onStep: () => void seen.push(JSON.stringify(memory())),
    }).then(({ params }) => {
      for (const [, leaf] of treeEntries<Tensor>(params)) leaf.dispose();
    });
    expect(new Set(seen.slice(1)).size).toBe(1);
    expect(seen.length).toBe(count);
    expect(memory()).toEqual(before);
  });
});
