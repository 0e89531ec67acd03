import { createSampler, Rng, variableBatchScales } from "@corenet/multiscale-sampler";
import type { Bench } from "../../../tools/bench/harness.ts";

const IMAGES = 1_281_167;

const sampler = createSampler({
  samples: IMAGES,
  scales: variableBatchScales({ baseSize: 224, baseBatch: 128, minSize: 128, maxSize: 320 }),
  random: new Rng("bench"),
});

/** Fisher and Yates over the indices of all images, with numbers from `uniform`; something read from the result. */
function shuffleIndices(uniform: () => number): number {
  const indices = new Uint32Array(IMAGES);
  for (let i = 0; i < IMAGES; i++) indices[i] = i;
  for (let i = IMAGES - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    const held = indices[i] as number;
    indices[i] = indices[j] as number;
    indices[j] = held;
  }
  return indices[0] as number;
}

/** Plans an epoch and takes every batch. */
function everyBatch(epoch: number): number {
  let sum = 0;
  for (const { indices } of sampler.epoch(epoch)) sum += indices[0] as number;
  return sum;
}

function bytesInUse(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const bench: Bench = {
  name: "plan-epoch",
  description: `One epoch of ${IMAGES} images: its plan against a plain shuffle of as many indices, and bytes for each.`,
  async run({ compare, record }) {
    let epoch = 0;
    let sink = 0;
    const run = (work: () => number) => async (): Promise<undefined> => {
      sink += work();
    };
    const plain = { name: "plain shuffle, Math.random", run: run(() => shuffleIndices(Math.random)) };
    const rng = new Rng("plain");
    const seeded = { name: "Rng.shuffle", run: run(() => rng.shuffle(new Uint32Array(IMAGES))[0] as number) };
    const planned = await compare({
      name: "order and scales of an epoch",
      ours: { name: "sampler.epoch(e).length", run: run(() => sampler.epoch(epoch++).length) },
      peers: [plain, seeded],
    });
    const iterated = await compare({
      name: "all batches of an epoch",
      ours: { name: "for (const batch of sampler.epoch(e))", run: run(() => everyBatch(epoch++)) },
      peers: [plain],
    });
    for (const [name, { standings }] of Object.entries({ planned, iterated })) {
      record(`${name}, times a plain shuffle (at most 2)`, 1 / (standings[1]?.ratio.median ?? Number.NaN));
    }

    const before = bytesInUse();
    const plan = sampler.epoch(epoch);
    sink += plan.length;
    record("bytes an index (at most 8)", (bytesInUse() - before) / IMAGES);
    if (plan.paddedCount < IMAGES || Number.isNaN(sink))
      throw new Error("plan-epoch: the plan is incomplete.");
  },
};

export default bench;
