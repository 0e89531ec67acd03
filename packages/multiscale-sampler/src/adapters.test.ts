import { expect, test, vi } from "vitest";
import { fixedScale } from "./image-scales.ts";
import { prefetch } from "./prefetch.ts";
import { toReadableStream } from "./readable-stream.ts";
import { createSampler } from "./sampler.ts";
import { toTfDataset } from "./tf-dataset.ts";

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
