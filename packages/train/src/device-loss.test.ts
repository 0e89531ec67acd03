import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OutOfMemoryError, Rng } from "@corenet/core";
import {
  activeBackend,
  mean,
  memory,
  mul,
  ones,
  readData,
  square,
  type Tensor,
  tensor,
  useBackend,
} from "@corenet/tensor";
import { afterAll, beforeEach, expect, test } from "vitest";
import { backends, onBackend, onEveryBackend } from "../../../tools/testing/index.ts";
import { bitsOf, type ToyBatch, type ToyParams, toyBatches, toyLoss, toyParams } from "../test/toy.ts";
import { listCheckpoints, type StepRecord } from "./checkpoint.ts";
import type { FallbackEvent } from "./fallback.ts";
import { cosineSchedule } from "./schedules.ts";
import { train } from "./train.ts";
import type { TrainOptions } from "./train-options.ts";

const { cpu, wasm, webgpu } = backends;
const root = await mkdtemp(join(tmpdir(), "train-loss-"));
afterAll(() => rm(root, { recursive: true }));
let folders = 0;
const newFolder = () => join(root, String(folders++));

type ToyOptions = TrainOptions<ToyParams, ToyBatch>;

const toy = (options: Partial<ToyOptions> = {}): ToyOptions => ({
  params: options.params ?? toyParams(),
  loss: toyLoss,
  batches: toyBatches(),
  schedule: cosineSchedule({ peak: 0.02, total: 20 }),
  steps: 20,
  clip: 1,
  ema: { decay: 0.9 },
  rng: new Rng("toy"),
  ...options,
});

/** The toy's loss, but `fail` is called when a step is reached for the first time. */
function failingAt(steps: readonly number[], fail: () => void): ToyOptions["loss"] {
  const left = [...steps];
  return (params, batch, context) => {
    if (context.step === left[0]) {
      left.shift();
      fail();
    }
    return toyLoss(params, batch, context);
  };
}

/** Within what backends differ by. */
function expectSameLosses(found: readonly StepRecord[], wanted: readonly StepRecord[]): void {
  expect(found).toHaveLength(wanted.length);
  for (const [i, { loss }] of found.entries()) expect(loss).toBeCloseTo(wanted[i]?.loss as number, 4);
}

const full = () => {
  throw new OutOfMemoryError("a device: there is no room.", { requestedBytes: 7 });
};
const loseDevice = () => activeBackend().dispose?.();

onEveryBackend((name) => {
  const other = () => (name === "cpu" ? wasm() : cpu());
  // Each test may end on another backend than it began with.
  beforeEach(async () => void (await useBackend(backends[name]())));

  test("a device that is full stops the run, and another run ends at the same bits", async () => {
    const folder = newFolder();
    const checkpoint = { folder, everySteps: 4 };
    const whole = await train(toy());
    const params = toyParams();
    const before = memory();
    const stopping = train(toy({ params, loss: failingAt([10], full), checkpoint }));
    await expect(stopping).rejects.toMatchObject({ name: "OutOfMemoryError", requestedBytes: 7 });
    // What is not on a GPU can still be written.
    const saved = activeBackend().readsAtOnce ? 10 : 8;
    await expect(stopping).rejects.toThrow(
      `train: the device failed at step 10. a device: there is no room.`,
    );
    await expect(stopping).rejects.toThrow(`The newest checkpoint in ${folder} is of step ${saved}`);
    expect((await listCheckpoints(folder)).at(-1)?.step).toBe(saved);
    expect(memory()).toEqual(before);
    const resumed = await train(toy({ checkpoint }));
    expect(await bitsOf(resumed.params)).toEqual(await bitsOf(whole.params));
    expect(resumed.history).toEqual(whole.history);
  });

  test("says how to go on another time where nothing is saved", async () => {
    const stopping = train(toy({ loss: failingAt([3], full) }));
    await expect(stopping).rejects.toThrow("No checkpoint was written: pass checkpoint");
  });

  test("falls back and goes on from its copy in memory, with the same losses", async () => {
    const whole = await train(toy());
    const events: FallbackEvent[] = [];
    const seen: number[] = [];
    const fallen = await train(
      toy({
        loss: failingAt([10], full),
        onDeviceLost: {
          fallBackTo: [other()],
          snapshotEverySteps: 4,
          onFallback: (event) => void events.push(event),
        },
        onStep: ({ step }) => void seen.push(step),
      }),
    );
    expect(events).toMatchObject([{ error: { name: "OutOfMemoryError" }, backend: activeBackend().name }]);
    expect(seen).toEqual([
      0,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      8,
      9,
      ...Array.from({ length: 10 }, (_, i) => 10 + i),
    ]);
    expect(fallen.history.slice(0, 8)).toEqual(whole.history.slice(0, 8));
    expectSameLosses(fallen.history, whole.history);
    const [weight, wanted] = [fallen, whole].map(({ ema }) => ema?.layers[0]?.weight as Tensor);
    await expect(weight as Tensor).toBeAllClose(await readData(wanted as Tensor), { atol: 1e-4 });
  });

  test("takes frozen parameters along, and frees what it made", async () => {
    const params = { w: ones([3]), scale: tensor([1, 2, 3]), ids: tensor(Int32Array.of(7)) };
    const loss = failingAt([2], full);
    const before = memory().numTensors;
    const result = await train({
      params,
      optimizer: { groups: [{ match: (path) => path !== "w", learningRateScale: 0 }] },
      loss({ w, scale }, batch, context) {
        if (context.step === 2) loss(toyParams(), batch, context);
        return mean(square(mul(w, scale)));
      },
      batches: toyBatches(),
      schedule: cosineSchedule({ peak: 0.1, total: 5 }),
      steps: 5,
      onDeviceLost: { fallBackTo: [other()] },
    });
    expect(activeBackend().name).toBe(other().name);
    expect(await readData(result.params.scale)).toEqual(Float32Array.of(1, 2, 3));
    expect(await readData(result.params.ids, "int32")).toEqual(Int32Array.of(7));
    expect(memory().numTensors).toBe(before + 3);
  });

  test("stops when no backend is left", async () => {
    const missing = { name: "none", start: () => Promise.reject(new Error("none: there is no such thing.")) };
    const failing = train(
      toy({ loss: failingAt([1, 2], full), onDeviceLost: { fallBackTo: [other(), missing] } }),
    );
    await expect(failing).rejects.toMatchObject({ name: "OutOfMemoryError" });
    await expect(failing).rejects.toThrow(/No backend of fallBackTo is left.*there is no such thing/s);
  });

  test.each([
    [{ fallBackTo: [] }, "the length of onDeviceLost.fallBackTo is 0, expected at least one backend"],
    [{ fallBackTo: [cpu()], snapshotEverySteps: 0 }, "onDeviceLost.snapshotEverySteps is 0"],
  ])("refuses %o", async (onDeviceLost, message) => {
    await expect(train(toy({ onDeviceLost }))).rejects.toThrow(message);
  });
});

onBackend("webgpu", () => {
  beforeEach(async () => void (await useBackend(webgpu())));

  /** As `whole` trains, but the device is destroyed at the given steps. */
  const whole = () => train(toy());

  test("a device that is lost stops the run; on another device it ends at the same bits", async () => {
    const wanted = await whole();
    const bits = await bitsOf(wanted.params);
    const checkpoint = { folder: newFolder(), everySteps: 4 };
    const stopping = train(toy({ loss: failingAt([10], loseDevice), checkpoint }));
    await expect(stopping).rejects.toMatchObject({ name: "DeviceLostError" });
    await expect(stopping).rejects.toThrow(
      /^train: the device failed at step 1[01]\..*is of step 8: call useBackend/,
    );
    await useBackend(webgpu());
    const resumed = await train(toy({ checkpoint }));
    expect(await bitsOf(resumed.params)).toEqual(bits);
    expect(resumed.history).toEqual(wanted.history);
  });

  test("two devices lost one after the other: another, then wasm, from the copies in memory", async () => {
    const wanted = await whole();
    const bits = await bitsOf(wanted.params);
    const events: string[] = [];
    const options = (steps: readonly number[]) =>
      toy({
        loss: failingAt(steps, loseDevice),
        onDeviceLost: {
          fallBackTo: [webgpu(), wasm()],
          snapshotEverySteps: 3,
          onFallback: ({ error, backend }) => void events.push(`${error.name} ${backend}`),
        },
      });
    const again = await train(options([7]));
    expect(await bitsOf(again.params)).toEqual(bits);
    const twice = await train(options([7, 11]));
    expect(activeBackend().name).toBe("wasm");
    expect(events).toEqual(["webgpu", "webgpu", "wasm"].map((name) => `DeviceLostError ${name}`));
    expect(twice.history.slice(0, 9)).toEqual(wanted.history.slice(0, 9));
    expectSameLosses(twice.history, wanted.history);
  });

  test("from the folder, where there is one", async () => {
    const wanted = await whole();
    const bits = await bitsOf(wanted.params);
    const result = await train(
      toy({
        loss: failingAt([10], loseDevice),
        checkpoint: { folder: newFolder(), everySteps: 4 },
        onDeviceLost: { fallBackTo: [webgpu()] },
      }),
    );
    expect(await bitsOf(result.params)).toEqual(bits);
  });
});
