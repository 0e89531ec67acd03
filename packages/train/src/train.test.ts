import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CheckpointError,
  IoError,
  isAbortError,
  NonFiniteError,
  type Progress,
  Rng,
} from "@corenet/core";
import {
  add,
  disposeTree,
  matMul,
  mean,
  memory,
  mul,
  square,
  sub,
  type Tensor,
  tensor,
} from "@corenet/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { expectNoLeak, onBackend, onEveryBackend } from "../../../tools/testing/index.ts";
import { bitsOf, type ToyBatch, type ToyParams, toyBatches, toyLoss, toyParams } from "../test/toy.ts";
import { adamw, createAdamwState } from "./adamw.ts";
import { clipFactor } from "./global-norm.ts";
import { constantSchedule, cosineSchedule } from "./schedules.ts";
import { train } from "./train.ts";
import type { TrainOptions } from "./train-options.ts";

const root = await mkdtemp(join(tmpdir(), "train-"));
afterAll(() => rm(root, { recursive: true }));
let folders = 0;
const newFolder = () => join(root, String(folders++));

type ToyOptions = TrainOptions<ToyParams, ToyBatch>;

const schedule = cosineSchedule({ peak: 0.02, min: 0.002, warmup: 3, warmupInit: 1e-4, total: 20 });

const toy = (options: Partial<ToyOptions> = {}): ToyOptions => ({
  params: options.params ?? toyParams(),
  loss: toyLoss,
  batches: toyBatches(),
  schedule,
  steps: 20,
  clip: 1,
  rng: new Rng("toy"),
  ...options,
});

/** A run and its result as plain numbers; the tensors are freed. */
async function runToy(options: Partial<ToyOptions> = {}) {
  const { params, ema, step, history } = await train(toy(options));
  const bits = { params: await bitsOf(params), ema: ema ? await bitsOf(ema) : null };
  disposeTree(params);
  if (ema) disposeTree(ema);
  return { bits, step, history };
}

onEveryBackend(() => {
  test("learns", async () => {
    const { history, step } = await runToy({
      steps: 150,
      schedule: constantSchedule({ learningRate: 0.02 }),
    });
    expect(step).toBe(150);
    const average = (from: number, to: number) =>
      history.slice(from, to).reduce((sum, { loss }) => sum + loss, 0) / (to - from);
    expect(average(130, 150)).toBeLessThan(0.7 * average(0, 20));
    expect(history.map((record) => record.step)).toEqual(Array.from({ length: 150 }, (_, i) => i));
  });

  test("makes the steps of AdamW, clipped", async () => {
    // loss = mean((x·w)²) with w = 3, x = 2: gradient 2·x²·w = 24.
    const w = tensor([[3]]);
    const losses: number[] = [];
    const { params, history } = await train({
      params: { w },
      loss: ({ w: weight }, x: Tensor) => mean(square(mul(x, weight))),
      batches: { next: () => tensor([[2]]), save: () => null, restore: () => {} },
      schedule: constantSchedule({ learningRate: 0.1 }),
      optimizer: { weightDecay: 0.5 },
      steps: 1,
      clip: 6,
      onStep: ({ loss }) => void losses.push(loss),
    });
    expect(history).toEqual([{ step: 0, loss: 36, gradNorm: 24, learningRate: 0.1 }]);
    expect(losses).toEqual([36]);
    const grads = { w: tensor([[24]]) };
    const gradScale = clipFactor(24, 6);
    const byHand = adamw({ w }, grads, createAdamwState({ w }), {
      learningRate: 0.1,
      weightDecay: 0.5,
      gradScale,
    });
    await expect(params.w).toBeAllClose(byHand.params.w, { atol: 0, rtol: 0 });
    await expect(params.w).toBeAllClose([[3 * 0.95 - 0.1]]);
    await expect(w).toBeAllClose([[3]]);
  });

  test("averages accumulated batches: four of 8 are one of 32", async () => {
    const noiseless: ToyOptions["loss"] = (params, batch) => toyLoss(params, batch, { rng: silent });
    const options = { loss: noiseless, steps: 6 };
    const one = await train(toy({ ...options, batches: toyBatches(7, 32) }));
    const four = await train(toy({ ...options, batches: toyBatches(7, 8), accumulate: 4 }));
    four.history.forEach(({ loss, gradNorm }, i) => {
      expect(loss).toBeCloseTo(one.history[i]?.loss as number, 4);
      expect(gradNorm).toBeCloseTo(one.history[i]?.gradNorm as number, 4);
    });
    await expect(four.params.layers[0]?.weight).toBeAllClose(one.params.layers[0]?.weight as Tensor, {
      atol: 1e-4,
    });
  });

  describe("goes on from a checkpoint to the bit", () => {
    const extras: Partial<ToyOptions>[] = [
      {},
      { ema: { decay: 0.9 }, accumulate: 2 },
      { optimizer: { groups: [{ match: (path) => path.startsWith("layers.1"), learningRateScale: 0 }] } },
    ];

    test.each(extras)("20 steps are 10 steps, a kill, and 10 more: %o", async (extra) => {
      const whole = await runToy(extra);
      const folder = newFolder();
      const first = { ...extra, checkpoint: { folder, everySteps: 5 } };
      const kill = runToy({
        ...first,
        onStep: ({ step }) => {
          if (step === 12) throw new Error("killed"); // steps 10 to 12 are lost
        },
      });
      await expect(kill).rejects.toThrow("killed");
      // Another seed, other start weights and batches at their start: all of it comes from the checkpoint.
      const frozen = extra.optimizer ? 1 : 99;
      const batches = toyBatches();
      const seen: number[] = [];
      const resumed = await runToy({
        ...first,
        rng: new Rng("other"),
        params: toyParams(frozen),
        batches,
        onStep: ({ step }) => void seen.push(step),
      });
      expect(seen).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
      expect(resumed).toEqual(whole);
      expect(batches.position()).toBe(20 * (extra.accumulate ?? 1));
      expect((await readdir(folder)).sort()).toEqual(
        [10, 15, 20].map((n) => `checkpoint-000000${n}.safetensors`),
      );
      expect((await runToy({ ...first, onStep: () => expect.unreachable() })).bits).toEqual(whole.bits);
    });

    test("also when the newest is damaged, and says so", async () => {
      const whole = await runToy();
      const folder = newFolder();
      await runToy({ checkpoint: { folder, everySteps: 5 }, steps: 15 });
      await truncate(join(folder, "checkpoint-00000015.safetensors"), 1000);
      const skipped: string[] = [];
      const onSkip = ({ file }: { file: string }) => void skipped.push(file);
      const resumed = await runToy({ checkpoint: { folder, everySteps: 5, onSkip } });
      expect(skipped).toEqual(["checkpoint-00000015.safetensors"]);
      expect(resumed).toEqual(whole);
    });

    test("brings back what is the caller's own", async () => {
      const folder = newFolder();
      const extra = (value: number) => ({
        value,
        save() {
          return { value: this.value };
        },
        restore(saved: unknown) {
          this.value = (saved as { value: number }).value;
        },
      });
      await runToy({ checkpoint: { folder, extra: extra(41) }, steps: 2 });
      const back = extra(0);
      await runToy({ checkpoint: { folder, extra: back }, steps: 3 });
      expect(back.value).toBe(41);
    });

    test("refuses the checkpoint of another model, and one beyond the end", async () => {
      const folder = newFolder();
      await runToy({ checkpoint: { folder }, steps: 2 });
      const before = memory().numTensors;
      const other = train({
        ...{ schedule, steps: 5, checkpoint: { folder }, params: { w: tensor([1]) } },
        batches: { next: () => 0, save: () => 0, restore: () => {} },
        loss: ({ w }) => mean(w),
      });
      const error: CheckpointError = await other.catch((reason) => reason);
      expect(error.name).toBe("CheckpointError");
      expect(error.message).toContain("params.w is missing");
      expect(error.message).toContain("m.layers.0.bias [13] is there");
      await expect(runToy({ checkpoint: { folder }, ema: { decay: 0.5 }, steps: 5 })).rejects.toThrow(
        "ema.layers.0.bias",
      );
      await expect(runToy({ checkpoint: { folder }, steps: 1 })).rejects.toThrow(
        "is at step 2, expected at most steps, 1",
      );
      expect((await readdir(folder)).length).toBe(2);
      expect(memory().numTensors - before).toBeLessThanOrEqual(1 + 8); // the start weights of three runs, which are ours
    });
  });

  describe("when aborted", () => {
    test("finishes the step, writes a checkpoint, and rejects with the reason; the next run goes on", async () => {
      const whole = await runToy();
      const folder = newFolder();
      const controller = new AbortController();
      const stopped = runToy({
        checkpoint: { folder, everySteps: 100 },
        signal: controller.signal,
        onStep: ({ step }) => {
          if (step === 6) controller.abort();
        },
      });
      const reason: unknown = await stopped.catch((error) => error);
      expect(reason).toBe(controller.signal.reason);
      expect(isAbortError(reason)).toBe(true);
      expect(await readdir(folder)).toContain("checkpoint-00000007.safetensors");
      expect(await runToy({ checkpoint: { folder, everySteps: 100 } })).toEqual(whole);
    });

    test("does not wait for a batch that never comes, and frees one that comes late", async () => {
      const controller = new AbortController();
      const source = toyBatches();
      let deliver: ((batch: ToyBatch) => void) | undefined;
      const batches: ToyOptions["batches"] = {
        ...source,
        next: () => {
          if (source.position() < 3) return source.next();
          setTimeout(() => controller.abort(new Error("enough")), 5);
          return new Promise((resolve) => {
            deliver = resolve;
          });
        },
      };
      const params = toyParams();
      const before = memory().numTensors;
      const folder = newFolder();
      const running = train(
        toy({ params, batches, signal: controller.signal, checkpoint: { folder }, onAbort: "return" }),
      );
      const { step, params: result } = await running;
      expect(step).toBe(3);
      expect(await readdir(folder)).toContain("checkpoint-00000003.safetensors");
      disposeTree(result);
      deliver?.({ x: tensor([[1, 2, 3]]), y: tensor([[1]]) });
      await new Promise((resolve) => setTimeout(resolve));
      expect(memory().numTensors).toBe(before);
    });

    test("lets timers run meanwhile, so that one can abort it", async () => {
      const running = runToy({ steps: 1e6, signal: AbortSignal.timeout(50) });
      await expect(running).rejects.toThrow("timeout");
    });

    test("does nothing at all when it was aborted before", async () => {
      const signal = AbortSignal.abort(new Error("never mind"));
      await expect(runToy({ signal, loss: () => expect.unreachable() })).rejects.toThrow("never mind");
    });
  });

  describe("when numbers are not finite", () => {
    const poisoned =
      (at: number): ToyOptions["loss"] =>
      (params, batch, context) => {
        const loss = toyLoss(params, batch, context);
        const [, last] = params.layers;
        // 0 · ∞ is NaN, in the value and in the gradient of the last bias only
        return context.step === at && last ? add(loss, mul(mean(last.bias), 1e38 * 10)) : loss;
      };

    test("stops at once, names step and parameter, and leaves the checkpoints alone", async () => {
      const folder = newFolder();
      const params = toyParams();
      const before = memory().numTensors;
      const run = train(toy({ params, loss: poisoned(13), checkpoint: { folder, everySteps: 5 } }));
      const error: NonFiniteError = await run.catch((reason) => reason);
      expect(error).toBeInstanceOf(NonFiniteError);
      expect(error.step).toBe(13);
      expect(error.parameter).toBe("layers.1.bias");
      expect(error.message).toContain("the gradient of layers.1.bias is not finite");
      expect(error.message).toContain("at step 13");
      expect((await readdir(folder)).sort().at(-1)).toBe("checkpoint-00000010.safetensors");
      expect(memory().numTensors).toBe(before);
    });

    test("names the parameter where the gradient is fine", async () => {
      const bad = { a: tensor([1]), b: tensor([Number.NaN]) };
      const run = train({
        params: { ...bad, b: tensor([1]) },
        loss: ({ a }) => add(mean(a), mean(bad.b)),
        batches: { next: () => 0, save: () => 0, restore: () => {} },
        schedule,
        steps: 3,
      });
      const error: NonFiniteError = await run.catch((reason) => reason);
      expect([error.step, error.parameter]).toEqual([0, undefined]);
      expect(error.message).toContain("train: the loss is NaN at step 0, expected finite numbers.");
      const start = train({
        params: bad,
        loss: ({ a }) => mean(a),
        batches: { next: () => 0, save: () => 0, restore: () => {} },
        schedule,
        steps: 3,
      });
      await expect(start).rejects.toThrow("train: b is not finite at the start");
    });

    test("writes no checkpoint of parameters that an update made infinite", async () => {
      const folder = newFolder();
      const rates = Object.assign((step: number) => (step === 3 ? 3e38 : 0.01), { settings: {} });
      const run = runToy({
        schedule: rates,
        checkpoint: { folder, everySteps: 2 },
        optimizer: { weightDecay: 30 },
      });
      const error: NonFiniteError = await run.catch((reason) => reason);
      expect([error.name, error.step, error.parameter]).toEqual(["NonFiniteError", 3, "layers.0.weight"]);
      expect((await readdir(folder)).sort().at(-1)).toBe("checkpoint-00000002.safetensors");
    });
  });

  test("tells the progress and each step", async () => {
    const progress: Progress[] = [];
    const tokens: (number | undefined)[] = [];
    await runToy({
      steps: 4,
      accumulate: 2,
      countTokens: ({ x }) => x.shape[0],
      onProgress: (event) => void progress.push(event),
      onStep: async ({ tokens: count, ms, params, learningRate, step }) => {
        tokens.push(count);
        expect(ms).toBeGreaterThan(0);
        expect(learningRate).toBe(schedule(step));
        await expect(matMul(params.layers[0]?.weight as Tensor, tensor([[0], [0], [0]]))).toBeAllClose(
          Array(13).fill(0),
        );
      },
    });
    expect(tokens).toEqual([16, 16, 16, 16]);
    expect(progress.map(({ done }) => done)).toEqual([0, 1, 2, 3, 4]);
    expect(progress.at(-1)).toMatchObject({ phase: "train", total: 4, unit: "step" });
  });

  test("keeps a moving average", async () => {
    const seen: ToyParams[] = [];
    const { params, ema } = await train(
      toy({
        steps: 2,
        ema: { decay: 0.5 },
        onStep: ({ params: now }) =>
          void seen.push({ layers: now.layers.map((l) => ({ ...l, bias: mul(l.bias, 1) })) }),
      }),
    );
    const [first, second] = seen.map(({ layers }) => layers[1]?.bias as Tensor) as [Tensor, Tensor];
    await expect(params.layers[1]?.bias).toBeAllClose(second);
    await expect(ema?.layers[1]?.bias).toBeAllClose(add(mul(first, 0.25), mul(second, 0.5))); // the start was 0
  });

  test("leaves frozen parameters as they are, whatever their dtype", async () => {
    const frozen = { match: (path: string) => path !== "w", learningRateScale: 0 };
    const ids = tensor(Int32Array.of(1, 2));
    const { params } = await train({
      params: { w: tensor([2]), base: tensor([3]), ids },
      loss: ({ w, base }) => mean(square(sub(w, base))),
      batches: { next: () => 0, save: () => 0, restore: () => {} },
      optimizer: { groups: [frozen] },
      schedule: constantSchedule({ learningRate: 0.1 }),
      steps: 1,
    });
    await expect(params.w).toBeAllClose([2.1]);
    await expect(params.base).toBeAllClose([3]);
    await expect(params.ids).toBeAllClose([1, 2]);
    expect(params.base.isDisposed || params.ids === ids).toBe(false);
  });

  test("leaks nothing, over a hundred steps or a throw anywhere", async () => {
    const counts: number[] = [];
    const options = toy({
      steps: 100,
      ema: { decay: 0.9 },
      accumulate: 2,
      onStep: () => void counts.push(memory().numTensors, memory().numBytes),
    });
    await expectNoLeak(() => train(options));
    expect(new Set(counts).size).toBe(2);
    const fail = () => {
      throw new Error("fails");
    };
    const failures: Partial<ToyOptions>[] = [
      { loss: fail },
      { onStep: fail },
      { onProgress: fail },
      { countTokens: fail },
      { schedule: Object.assign((step: number) => (step === 2 ? fail() : 0.01), {}) },
      { batches: { ...toyBatches(), next: fail } },
      { batches: { ...toyBatches(), save: fail }, checkpoint: { folder: newFolder() } },
      { checkpoint: { folder: newFolder(), extra: { save: fail, restore: fail } } },
      { loss: ({ layers }, { x }) => matMul(x, layers[0]?.weight as Tensor, { transposeB: true }) },
    ];
    for (const failure of failures) {
      await expectNoLeak(async () => {
        await expect(train({ ...options, ...failure })).rejects.toThrow();
      });
    }
  });

  test("says what is wrong", async () => {
    await expect(runToy({ steps: -1 })).rejects.toThrow("train: steps is -1, expected an integer >= 0.");
    await expect(runToy({ clip: 0 })).rejects.toThrow("train: clip is 0, expected a number > 0.");
    await expect(runToy({ accumulate: 1.5 })).rejects.toThrow("train: accumulate is 1.5");
    await expect(runToy({ checkpoint: { folder: "x", keep: 0 } })).rejects.toThrow(
      "train: checkpoint.keep is 0",
    );
    await expect(
      runToy({ optimizer: { groups: [{ match: () => true, learningRateScale: 0 }] } }),
    ).rejects.toThrow("train: no parameter is to be trained");
    const ended = { ...toyBatches(), next: () => JSON.parse("null") };
    await expect(runToy({ batches: ended })).rejects.toThrow(
      "batches.next() gave no batch at step 0, expected one",
    );
    const params = toyParams();
    const [first] = params.layers;
    if (!first) throw new Error("no layer");
    await expect(runToy({ params: { layers: [first, first] } })).rejects.toThrow(
      "layers.0.weight and layers.1.weight are one tensor",
    );
    await expect(runToy({ loss: () => tensor([1, 2]) })).rejects.toThrow(
      "valueAndGrad: the loss has shape [2], expected []",
    );
  });

  test("finds out at the start that checkpoints cannot be written", async () => {
    const loss = () => expect.unreachable();
    await expect(runToy({ loss, checkpoint: { folder: "/dev/null/x" } })).rejects.toThrow(IoError);
  });
});

const silent = Object.assign(new Rng(0), { fillNormal: (target: Float32Array) => target });

onBackend("wasm", () => {
  test("takes as many steps as asked, none included", async () => {
    const { step, history } = await runToy({ steps: 0 });
    expect([step, history]).toEqual([0, []]);
  });
});
