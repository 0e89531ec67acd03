import { expect, test, vi } from "vitest";
import { fixedScale } from "./image-scales.ts";
import { prefetch } from "./prefetch.ts";
import { toReadableStream } from "./readable-stream.ts";
import { createSampler } from "./sampler.ts";
import { type TfDataset, toTfDataset } from "./tf-dataset.ts";

const sampler = createSampler({ samples: 5, scales: fixedScale({ size: 8, batchSize: 2 }), shuffle: false });

test("a stream of batches, loaded or not", async () => {
  const steps: number[] = [];
  for await (const batch of toReadableStream(sampler.epoch(0))) steps.push(batch.step);
  expect(steps).toEqual([0, 1, 2]);

  const reader = toReadableStream(prefetch(sampler.epoch(0), (index) => index)).getReader();
  expect((await reader.read()).value?.items).toEqual([0, 1]);
});

test("a stream reads nothing by itself, and ends the iteration when it is cancelled", async () => {
  const next = vi.fn(async () => ({ done: false as const, value: 1 }));
  const end = vi.fn(async () => ({ done: true as const, value: undefined }));
  const stream = toReadableStream({ [Symbol.asyncIterator]: () => ({ next, return: end }) });
  const reader = stream.getReader();
  expect(next).not.toHaveBeenCalled();
  expect((await reader.read()).value).toBe(1);
  await reader.cancel();
  expect([next.mock.calls.length, end.mock.calls.length]).toEqual([1, 1]);
});

test("a stream passes errors on", async () => {
  const stream = toReadableStream(
    prefetch(sampler.epoch(0), () => {
      throw new Error("no file");
    }),
  );
  await expect(stream.getReader().read()).rejects.toThrow("sample 0 failed");
});

test("a dataset whose every iterator is the next epoch", async () => {
  const dataset = toTfDataset((epoch) => prefetch(sampler.epoch(epoch), (index) => index), { firstEpoch: 3 });
  expect(dataset.size).toBeNull();
  for (const epoch of [3, 4]) {
    const iterator = await dataset.iterator();
    const seen: number[] = [];
    for (let one = await iterator.next(); !one.done; one = await iterator.next()) {
      expect(one.value.epoch).toBe(epoch);
      seen.push(...one.value.items);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 0]);
  }
  const plain = await toTfDataset((epoch) => sampler.epoch(epoch)).iterator();
  expect((await plain.next()).value).toMatchObject({ epoch: 0, step: 0 });
});

/**
 * What `fitDataset` of tfjs-layers 4.22.0 asks of a dataset, in its order (src/engine/training_dataset.ts): an iterator
 * before everything, another for each epoch, `next` until `done`. The library itself is not among our dependencies.
 */
async function fitDataset<T>(dataset: TfDataset<T>, epochs: number): Promise<T[][]> {
  expect(Number.isFinite(dataset.size)).toBe(false); // else it would be taken for the steps of an epoch
  let iterator = await dataset.iterator();
  const seen: T[][] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    iterator = await dataset.iterator();
    const batches: T[] = [];
    for (let one = await iterator.next(); !one.done; one = await iterator.next()) batches.push(one.value);
    seen.push(batches);
  }
  return seen;
}

test("fitDataset trains on every epoch, the first too, and each once", async () => {
  const dataset = toTfDataset((epoch) => prefetch(sampler.epoch(epoch), (index) => index));
  const epochs = await fitDataset(dataset, 3);
  expect(epochs.map((batches) => batches.map(({ epoch, step }) => `${epoch}.${step}`).join(" "))).toEqual([
    "0.0 0.1 0.2",
    "1.0 1.1 1.2",
    "2.0 2.1 2.2",
  ]);
});

test("the iterator is what tf.data.generator takes: a function without this", async () => {
  const { iterator } = toTfDataset((epoch) => sampler.epoch(epoch));
  const { next } = await iterator();
  expect((await next()).value).toMatchObject({ epoch: 0, step: 0 });
  expect((await next()).value).toMatchObject({ epoch: 0, step: 1 });
});
