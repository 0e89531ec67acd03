import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Rng } from "@corenet/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cpython } from "./cpython.ts";
import type { Batch } from "./epoch.ts";
import { fixedScale, variableBatchScales } from "./image-scales.ts";
import { createSampler, type SamplerOptions } from "./sampler.ts";
import type { ImageScale } from "./scale.ts";

const scales = variableBatchScales({ baseSize: 32, baseBatch: 10, minSize: 16, maxSize: 48, divisor: 8 });
const random = new Rng("test");

const countsOf = (batches: Iterable<{ indices: Uint32Array }>) => {
  const counts = new Map<number, number>();
  for (const { indices } of batches) {
    for (const index of indices) counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  return counts;
};
const shapesOf = (batches: Iterable<Batch<ImageScale>>) =>
  Array.from(batches, ({ height, width, indices }) => [height, width, indices.length]);
const listOf = (batches: Iterable<Batch<ImageScale>>) =>
  Array.from(batches, ({ indices, ...rest }) => ({ ...rest, indices: [...indices] }));

test("a batch says its size, its samples and its place", () => {
  const [first, second] = createSampler({ samples: 100, scales, random }).epoch(3);
  expect(first).toMatchObject({ epoch: 3, step: 0, batchSize: first?.indices.length });
  expect(scales.map((scale) => scale.height)).toContain(first?.height);
  expect(second?.step).toBe(1);
});

test("sees each sample as often as promised, then fills the last batch from the start", () => {
  const config = fc.record({
    samples: fc.integer({ min: 0, max: 300 }),
    epoch: fc.nat(50),
    seed: fc.integer(),
    repeats: fc.integer({ min: 1, max: 4 }),
    lastBatch: fc.constantFrom("cycle" as const, "once" as const, "short" as const),
    parity: fc.boolean(),
  });
  fc.assert(
    fc.property(config, ({ samples, epoch, seed, repeats, lastBatch, parity }) => {
      const source = parity ? cpython : new Rng(seed);
      const sampler = createSampler({ samples, scales, repeats, lastBatch, random: source });
      const plan = sampler.epoch(epoch);
      const batches = [...plan];
      const all = batches.flatMap((batch) => [...batch.indices]);
      expect(sampler.sampleCount).toBe(samples * repeats);
      expect(plan.sampleCount).toBe(samples * repeats);
      expect(plan.length).toBe(batches.length);
      expect(plan.paddedCount).toBe(all.length);

      const counts = countsOf([{ indices: Uint32Array.from(all.slice(0, samples * repeats)) }]);
      expect(counts.size).toBe(samples);
      expect([...counts.values()].every((count) => count === repeats)).toBe(true);
      const padding = all.slice(samples * repeats);
      expect(padding).toEqual(padding.map((_, i) => all[i % (samples * repeats)]));
      if (lastBatch === "short") expect(padding).toEqual([]);
      if (lastBatch === "cycle") {
        for (const batch of batches) {
          const scale = scales.find((one) => one.height === batch.height);
          expect(batch.indices.length).toBe(scale?.batchSize);
        }
      }
    }),
  );
});

test("keeps all ranks in step: as many batches, of the same shapes, and every sample on one of them", () => {
  const config = fc.record({
    worldSize: fc.integer({ min: 1, max: 9 }),
    more: fc.nat(200),
    epoch: fc.nat(50),
    seed: fc.string(),
    repeats: fc.integer({ min: 1, max: 3 }),
    truncateRepeats: fc.boolean(),
    ranksPerNode: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    parity: fc.boolean(),
  });
  fc.assert(
    fc.property(config, ({ worldSize, more, epoch, seed, ranksPerNode, parity, ...repeated }) => {
      const samples = worldSize + more;
      const perNode = ranksPerNode && worldSize % ranksPerNode === 0 ? ranksPerNode : undefined;
      const ranks = Array.from({ length: worldSize }, (_, rank) =>
        createSampler({
          samples,
          scales,
          ...repeated,
          ranks: { rank, worldSize, ...(perNode && { shards: { ranksPerNode: perNode } }) },
          random: parity ? cpython : new Rng(seed),
          lastBatch: "short",
        }).epoch(epoch),
      );
      const { repeats, truncateRepeats } = repeated;
      const share = Math.ceil(samples / worldSize) * (truncateRepeats ? 1 : repeats);
      const shapes = ranks.map(shapesOf);
      expect(shapes.every((shape) => JSON.stringify(shape) === JSON.stringify(shapes[0]))).toBe(true);
      expect(ranks.every((plan) => plan.paddedCount === share && plan.sampleCount === share)).toBe(true);
      if (truncateRepeats && repeats > 1) return;

      const counts = countsOf(ranks.flatMap((plan) => [...plan]));
      expect(counts.size).toBe(samples);
      const extra = [...counts.values()].reduce((sum, count) => sum + count, 0) - samples * repeats;
      expect(extra).toBeGreaterThanOrEqual(0);
      expect(extra).toBeLessThanOrEqual((worldSize - 1) * repeats);
    }),
  );
});

test("spreads the copies of a sample over neighbouring ranks", () => {
  const on = (rank: number) =>
    [
      ...createSampler({ samples: 12, scales, repeats: 2, random, ranks: { rank, worldSize: 4 } }).epoch(0),
    ].flatMap((batch) => [...batch.indices]);
  expect(on(0)).toEqual(on(1));
  expect(on(2)).toEqual(on(3));
  expect(on(0)).not.toEqual(on(2));
});

test("cuts repeats off where an epoch without them would end", () => {
  const plan = createSampler({
    samples: 60,
    scales,
    repeats: 3,
    truncateRepeats: true,
    lastBatch: "short",
    random,
  });
  const counts = countsOf(plan.epoch(0));
  expect([plan.sampleCount, counts.size]).toEqual([60, 20]);
});

test("gives the same epoch for the same seed, and another for another", () => {
  const list = (seed: number | string, epoch: number) =>
    listOf(createSampler({ samples: 200, scales, random: new Rng(seed) }).epoch(epoch));
  expect(list(1, 5)).toEqual(list(1, 5));
  expect(list(1, 5)).not.toEqual(list(1, 6));
  expect(list(1, 5)).not.toEqual(list(2, 5));
});

test("does not depend on what else was drawn or on how it is iterated", () => {
  const rng = new Rng(1);
  const sampler = createSampler({ samples: 200, scales, random: rng });
  const plan = sampler.epoch(4);
  const before = listOf(plan);
  rng.normal();
  rng.split();
  expect(listOf(plan)).toEqual(before);
  const other = sampler.epoch(4);
  expect(other.length).toBe(before.length); // draws first, takes later
  expect(listOf(other)).toEqual(before);
});

test("is the same plan on every machine", () => {
  const plan = createSampler({ samples: 20, scales, random: new Rng(2026) }).epoch(1);
  expect(Array.from(plan, (batch) => [batch.height, [...batch.indices]])).toEqual([
    [48, [16, 11, 0, 9]],
    [32, [7, 12, 6, 1, 5, 10, 17, 13, 18, 8]],
    [
      16,
      [
        14, 2, 15, 19, 3, 4, 16, 11, 0, 9, 7, 12, 6, 1, 5, 10, 17, 13, 18, 8, 14, 2, 15, 19, 3, 4, 16, 11, 0,
        9, 7, 12, 6, 1, 5, 10, 17, 13, 18, 8,
      ],
    ],
  ]);
});

test("shuffles evenly: each sample comes first equally often", () => {
  const first = new Float64Array(6);
  const sampler = createSampler({ samples: 6, scales: fixedScale({ size: 8, batchSize: 6 }), random });
  for (let epoch = 0; epoch < 6000; epoch++) {
    const [batch] = sampler.epoch(epoch);
    first[batch?.indices[0] as number] = (first[batch?.indices[0] as number] as number) + 1;
  }
  const chi2 = first.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  expect(chi2).toBeLessThan(20.5); // 5 degrees of freedom: 1 in 1000 by chance, and the seed is fixed
});

test("resumes in the middle of an epoch, also on a fresh sampler", () => {
  const sampler = () => createSampler({ samples: 500, scales, random: new Rng("run") });
  const whole = listOf(sampler().epoch(2));
  for (const fromStep of [0, 1, 7, whole.length]) {
    const rest = sampler().epoch(2, { fromStep });
    expect(listOf(rest)).toEqual(whole.slice(fromStep));
    expect(rest.length).toBe(whole.length);
  }
});

test("iterates asynchronously too", async () => {
  const plan = createSampler({ samples: 50, scales, random }).epoch(0);
  const batches = [];
  for await (const batch of { [Symbol.asyncIterator]: () => plan[Symbol.asyncIterator]() })
    batches.push(batch);
  expect(listOf(batches)).toEqual(listOf(plan));
});

test("evaluates in order, without randomness", () => {
  const plan = createSampler({
    samples: [7, 3, 9, 1],
    scales: fixedScale({ size: 32, batchSize: 3 }),
    shuffle: false,
    lastBatch: "short",
  }).epoch(0);
  expect(Array.from(plan, (batch) => [...batch.indices])).toEqual([[7, 3, 9], [1]]);
});

test("begins to shuffle where told", () => {
  const sampler = createSampler({
    samples: 30,
    scales,
    shuffle: { fromEpoch: 1 },
    lastBatch: "short",
    random,
  });
  const order = (epoch: number) => [...sampler.epoch(epoch)].flatMap((batch) => [...batch.indices]);
  expect(order(0)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  expect(order(1)).not.toEqual(order(0));
});

test("an empty epoch has no batches", () => {
  const plan = createSampler({ samples: 0, scales, random, ranks: { rank: 1, worldSize: 4 } }).epoch(0);
  expect([plan.length, plan.paddedCount, [...plan]]).toEqual([0, 0, []]);
});

test("gives each batch memory of its own", () => {
  const plan = createSampler({ samples: 50, scales, random }).epoch(0);
  const [first] = plan;
  const copy = [...(first?.indices ?? [])];
  first?.indices.fill(0);
  expect(first?.indices.buffer.byteLength).toBe(4 * copy.length); // what a message to a worker would carry
  const [again] = plan;
  expect([...(again?.indices ?? [])]).toEqual(copy);
});

test("draws a million batches", () => {
  const plan = createSampler({ samples: 1e6, scales: fixedScale({ size: 8, batchSize: 1 }), random }).epoch(
    0,
  );
  let sum = 0;
  for (const { indices } of plan) sum += indices[0] as number;
  expect([plan.length, sum]).toEqual([1e6, (1e6 * (1e6 - 1)) / 2]);
});

test("keeps no batch: a million steps need the order and a few bytes each", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const inUse = () => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const samples = 1e6;
  const before = inUse();
  const plan = createSampler({ samples, scales: fixedScale({ size: 8, batchSize: 1 }), random }).epoch(0);
  for (const batch of plan)
    if (batch.step === samples - 1) expect((inUse() - before) / samples).toBeLessThan(24);
});

test.each<[string, Partial<SamplerOptions<ImageScale>>, string]>([
  ["samples", { samples: -1 }, "createSampler: samples is -1, expected a whole number of at least 0."],
  ["samples", { samples: 2.5 }, "samples is 2.5"],
  [
    "samples",
    { samples: 2 ** 33 },
    "samples is 8589934592, 1 times, expected at most 2^32 in all. Sample shards",
  ],
  ["indices", { samples: [0, -3] }, "samples[1] is -3, expected a whole number in [0, 2^32). Pass indices"],
  ["no scales", { scales: [] }, "got no scales in epoch 0. Pass fixedScale(…) for one."],
  ["an empty batch", { scales: [{ height: 8, width: 8, batchSize: 0 }] }, "batchSize is 0"],
  ["repeats", { repeats: 0 }, "repeats is 0, expected a whole number of at least 1. Use 1"],
  ["too many copies", { repeats: 1e9 }, "samples is 100, 1000000000 times, expected at most 2^32 in all."],
  ["the first epoch to shuffle", { shuffle: { fromEpoch: -1 } }, "shuffle.fromEpoch is -1"],
  [
    "no randomness",
    { random: undefined },
    'got no random, expected one to shuffle and to draw scales. Pass random: new Rng("my run")',
  ],
  [
    "a rank outside",
    { ranks: { rank: 4, worldSize: 4 } },
    "ranks.rank is 4 of 4, expected a whole number in [0, 4). Count from 0.",
  ],
  ["a negative rank", { ranks: { rank: -1, worldSize: 4 } }, "ranks.rank is -1 of 4"],
  ["no world", { ranks: { rank: 0, worldSize: 0 } }, "ranks.worldSize is 0"],
  [
    "fewer samples than ranks",
    { samples: 3, ranks: { rank: 0, worldSize: 4 } },
    "samples is 3 for 4 ranks, expected at least one for each. Use at most 3 ranks",
  ],
  [
    "ragged nodes",
    { ranks: { rank: 0, worldSize: 6, shards: { ranksPerNode: 4 } } },
    "ranks.shards.ranksPerNode is 4, expected a divisor of the worldSize 6.",
  ],
])("says how to mend %s", (_, options, message) => {
  const make = () => createSampler<ImageScale>({ samples: 100, scales, random, ...options });
  expect(make).toThrow(RangeError);
  expect(make).toThrow(message);
});

test("says how to mend an epoch, a step, and a draw without randomness", () => {
  const sampler = createSampler({ samples: 100, scales, random });
  expect(() => sampler.epoch(Number.NaN)).toThrow(TypeError);
  expect(() => sampler.epoch(-1)).toThrow(
    "epoch is -1, expected a whole number of at least 0. Count from 0.",
  );
  expect(() => sampler.epoch(0, { fromStep: 0.5 })).toThrow("fromStep is 0.5");
  const { length } = sampler.epoch(0);
  expect(() => [...sampler.epoch(0, { fromStep: length + 1 })]).toThrow(
    `fromStep is ${length + 1} in an epoch of ${length} batches, expected at most ${length}. Did the options change`,
  );
  const grows = createSampler({ samples: 9, scales: (epoch) => scales.slice(0, 1 + epoch), shuffle: false });
  expect([...grows.epoch(0)]).toHaveLength(1);
  expect(() => [...grows.epoch(1)]).toThrow("got no random");
});
