import { isAbortError, Rng, sleep } from "@corenet/core";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { fixedScale, variableBatchScales } from "./image-scales.ts";
import { prefetch } from "./prefetch.ts";
import { SampleError } from "./sample-error.ts";
import { createSampler } from "./sampler.ts";

const sampler = createSampler({
  samples: 60,
  scales: variableBatchScales({ baseSize: 32, baseBatch: 6, minSize: 16, maxSize: 48, divisor: 8 }),
  random: new Rng("prefetch"),
});
/** Batches of three: 0 1 2, 3 4 5, … */
const inOrder = (samples: number) =>
  createSampler({ samples, scales: fixedScale({ size: 8, batchSize: 3 }), shuffle: false }).epoch(0);

/** Every `get` waits until it is let go, and remembers what became of it. */
function gate() {
  const started: number[] = [];
  const signals: AbortSignal[] = [];
  const doors = new Map<number, { open: (value: string) => void; fail: (error: unknown) => void }>();
  return {
    started,
    signals,
    doors,
    get: (index: number, _: unknown, signal: AbortSignal) => {
      started.push(index);
      signals.push(signal);
      return new Promise<string>((open, fail) => doors.set(index, { open, fail }));
    },
    open(...indices: number[]) {
      for (const index of indices) doors.get(index)?.open(`item ${index}`);
    },
  };
}
const turn = () => sleep(0);

/** A signal that counts who listens. */
function countedSignal() {
  const controller = new AbortController();
  const listening = new Set<unknown>();
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listening.add(args[1]);
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listening.delete(args[1]);
    remove(...args);
  };
  return { controller, signal, listeners: () => listening.size };
}

test("gives the batches of the epoch with their samples, in order", async () => {
  const config = fc.record({
    concurrency: fc.integer({ min: 1, max: 9 }),
    ahead: fc.integer({ min: 0, max: 4 }),
    delays: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 7 }),
  });
  await fc.assert(
    fc.asyncProperty(config, async ({ concurrency, ahead, delays }) => {
      let running = 0;
      let most = 0;
      const get = async (index: number, { height }: { height: number }) => {
        running += 1;
        most = Math.max(most, running);
        for (let i = delays[index % delays.length] as number; i > 0; i--) await turn();
        running -= 1;
        return `${index} at ${height}`;
      };
      const want = [...sampler.epoch(2)];
      let step = 0;
      for await (const { items, indices, height } of prefetch(sampler.epoch(2), get, {
        concurrency,
        ahead,
      })) {
        expect(indices).toEqual(want[step]?.indices);
        expect(items).toEqual(Array.from(indices, (index) => `${index} at ${height}`));
        step += 1;
      }
      expect(step).toBe(want.length);
      expect(most).toBeLessThanOrEqual(concurrency);
      expect(running).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test("reads so far ahead, in order, and not before it is asked", async () => {
  const { started, get, open } = gate();
  const loaded = prefetch(inOrder(12), get, { concurrency: 4, ahead: 1 });
  await turn();
  expect(started).toEqual([]);
  const first = loaded.next();
  await turn();
  expect(started).toEqual([0, 1, 2, 3]);
  open(1);
  await turn();
  expect(started).toEqual([0, 1, 2, 3, 4]);
  open(0, 2, 3);
  expect((await first).value?.items).toEqual(["item 0", "item 1", "item 2"]);
  await turn();
  expect(started).toEqual([0, 1, 2, 3, 4, 5]); // two batches: one in use, one ahead
  await loaded.return?.();
});

test("takes samples that come at once", async () => {
  const items: number[] = [];
  for await (const batch of prefetch(inOrder(7), (index) => 10 * index)) items.push(...batch.items);
  expect(items).toEqual([0, 10, 20, 30, 40, 50, 60, 0, 10]);
});

test("an error names its sample and comes in its turn; what was read for nothing is freed", async () => {
  const { get, open, doors, signals } = gate();
  const freed: string[] = [];
  const loaded = prefetch(inOrder(12), get, { ahead: 2, release: (item) => freed.push(item) });
  const first = loaded.next();
  await turn();
  doors.get(4)?.fail(new Error("broken JPEG"));
  open(0, 1, 2, 3, 5);
  expect((await first).value?.items).toHaveLength(3);

  const error = await loaded.next().catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(SampleError);
  expect(error).toMatchObject({ index: 4, epoch: 0, step: 1, code: "CORENET_SAMPLE" });
  expect((error as SampleError).message).toContain("sample 4 failed in epoch 0, step 1: broken JPEG");
  expect(((error as SampleError).cause as Error).message).toBe("broken JPEG");
  expect(signals.every((signal) => signal.aborted)).toBe(true);
  open(6, 7, 8);
  await turn();
  expect(freed.sort()).toEqual(["item 3", "item 5", "item 6", "item 7", "item 8"]);
  expect(await loaded.next()).toEqual({ done: true, value: undefined });
});

test("an error thrown at once is an error all the same", async () => {
  const loaded = prefetch(inOrder(3), (index) => {
    if (index === 2) throw "no file";
    return index;
  });
  await expect(loaded.next()).rejects.toThrow("sample 2 failed in epoch 0, step 0: no file");
});

test("an epoch that cannot start says so", async () => {
  const batches = createSampler({
    samples: 3,
    scales: fixedScale({ size: 8, batchSize: 3 }),
    shuffle: false,
  });
  const loaded = prefetch(batches.epoch(0, { fromStep: 9 }), (index) => index);
  await expect(loaded.next()).rejects.toThrow("fromStep is 9 in an epoch of 1 batches");
  expect((await loaded.next()).done).toBe(true);
});

test("leaving the loop stops the reading and lets go of the signal", async () => {
  const { started, get, open, signals } = gate();
  const { signal, listeners } = countedSignal();
  const freed: string[] = [];
  const end = vi.fn();
  function* batches() {
    try {
      yield* inOrder(30);
    } finally {
      end();
    }
  }
  const options = { concurrency: 5, ahead: 1, signal, release: (item: string) => freed.push(item) };
  const loaded = prefetch(batches(), get, options);
  void turn().then(() => open(0, 1, 2));
  for await (const _ of loaded) {
    expect(listeners()).toBe(1);
    break;
  }
  expect([listeners(), end.mock.calls.length, signals.every((one) => one.aborted)]).toEqual([0, 1, true]);
  const begun = started.length;
  open(3, 4);
  await turn();
  expect(freed.sort()).toEqual(["item 3", "item 4"]); // they were on their way
  expect(started).toHaveLength(begun);
  expect((await loaded.next()).done).toBe(true);
});

test("ends while a batch is awaited", async () => {
  const { get } = gate();
  const loaded = prefetch(inOrder(9), get);
  const pending = loaded.next();
  await turn();
  await loaded.return?.();
  expect((await pending).done).toBe(true);
});

test("an abort before the start, while a batch is awaited, between batches, and after the end", async () => {
  const before = countedSignal();
  before.controller.abort(new Error("too late"));
  const get = vi.fn((index: number) => index);
  const never = prefetch(inOrder(9), get, { signal: before.signal });
  await expect(never.next()).rejects.toThrow("too late");
  expect((await never.next()).done).toBe(true);
  expect([get.mock.calls.length, before.listeners()]).toEqual([0, 0]);

  const during = countedSignal();
  const { get: wait, signals } = gate();
  const waiting = prefetch(inOrder(9), wait, { signal: during.signal });
  const pending = [waiting.next(), waiting.next()];
  await turn();
  during.controller.abort();
  const results = await Promise.allSettled(pending);
  expect(results.every((one) => one.status === "rejected" && isAbortError(one.reason))).toBe(true);
  expect(signals.every((one) => one.aborted && one.reason === during.signal.reason)).toBe(true);
  expect((await waiting.next()).done).toBe(true);
  expect(during.listeners()).toBe(0);

  const between = countedSignal();
  const loaded = prefetch(inOrder(9), (index) => index, { signal: between.signal });
  await loaded.next();
  between.controller.abort(new Error("enough"));
  await expect(loaded.next()).rejects.toThrow("enough");
  expect((await loaded.next()).done).toBe(true);
  expect(between.listeners()).toBe(0);

  const after = countedSignal();
  const whole = prefetch(inOrder(3), (index) => index, { signal: after.signal });
  expect((await whole.next()).done).toBe(false);
  expect((await whole.next()).done).toBe(true);
  after.controller.abort();
  expect((await whole.next()).done).toBe(true);
  expect(after.listeners()).toBe(0);
});

test("an abort wins over a get that ignores it, and what that brings late is freed", async () => {
  const { get, open } = gate();
  const controller = new AbortController();
  const freed: string[] = [];
  const loaded = prefetch(inOrder(3), get, {
    signal: controller.signal,
    release: (item) => freed.push(item),
  });
  const pending = loaded.next();
  await turn();
  open(0);
  await turn();
  controller.abort(new Error("stop"));
  await expect(pending).rejects.toThrow("stop");
  open(1, 2);
  await turn();
  expect(freed.sort()).toEqual(["item 0", "item 1", "item 2"]);
});

test("says how to mend its options", () => {
  expect(() => prefetch(inOrder(3), Number, { concurrency: 0 })).toThrow("prefetch: concurrency is 0");
  expect(() => prefetch(inOrder(3), Number, { ahead: -1 })).toThrow("prefetch: ahead is -1");
});
