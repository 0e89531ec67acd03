// A vision transformer, trained with whichever scales: both sides of vit-sampler.bench.ts, and the test of both.
import process from "node:process";
import { Rng } from "@corenet/core";
import { collate, type ImageDataset, type RgbImage } from "@corenet/data";
import type { Batch, ImageScale } from "@corenet/multiscale-sampler";
import {
  createSampler,
  type Epoch,
  fixedScale,
  prefetch,
  type SamplerOptions,
} from "@corenet/multiscale-sampler";
import {
  countVitMultiplyAdds,
  createVit,
  crossEntropy,
  type VitConfig,
  type VitParams,
  vit,
} from "@corenet/nn";
import { disposeTree, type Tensor, type Tensor4D, type TensorTree, takeData, tensor } from "@corenet/tensor";
import { cosineSchedule, train } from "@corenet/train";

export interface TrainVitOptions {
  config: VitConfig;
  scales: SamplerOptions<ImageScale>["scales"];
  epochs: number;
  images: ImageDataset;
  /** What accuracy is measured on, at the size that the positions are learned for. */
  heldOut: ImageDataset;
  learningRate: number;
  seed: number;
  signal?: AbortSignal;
  /** Waited for before each epoch, and ended after it: for trainings that take turns. @default none */
  turn?: () => Promise<EndTurn>;
}

export type EndTurn = () => void;

/** Where a training stands after an epoch. */
export interface VitEpoch {
  /** Of all training so far, forward and backward. */
  readonly flops: number;
  /** Of all steps so far, the reading of their images included, the measuring of accuracy not. */
  readonly seconds: number;
  /** As `seconds`, of the processor: less disturbed by what else runs on the machine. */
  readonly cpuSeconds: number;
  readonly updates: number;
  /** Mean training loss of the epoch, in nats. */
  readonly loss: number;
  /** Of held-out images, in [0, 1]. */
  readonly accuracy: number;
}

interface ImageBatch {
  readonly images: Tensor4D;
  /** int32 [B] */
  readonly labels: Tensor;
}

const PIXELS = { mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26] } as const;

/** Trains a ViT from scratch; measures it after every epoch. One seed gives one order, one start and one augmentation. */
export async function trainVit(options: TrainVitOptions): Promise<VitEpoch[]> {
  const { config, scales, epochs, images, heldOut, learningRate, seed, signal } = options;
  const { turn = async () => () => {} } = options;
  const rng = new Rng(seed);
  const sampler = createSampler({ samples: images.length, scales, random: rng.split("sampler") });
  const plan = Array.from({ length: epochs }, (_, epoch) => sampler.epoch(epoch));
  const steps = plan.reduce((sum, epoch) => sum + epoch.length, 0);
  const ends = plan.map((_, i) => plan.slice(0, i + 1).reduce((sum, epoch) => sum + epoch.length, 0));

  const curve: VitEpoch[] = [];
  let [flops, seconds, cpuSeconds, losses] = [0, 0, 0, 0];
  let endTurn = await turn();
  let cpu = process.cpuUsage();
  const batches = imageBatches(plan, images, rng.split("augment"), ({ height, width, batchSize }) => {
    flops += 3 * 2 * batchSize * countVitMultiplyAdds(config, { height, width }); // forward, and twice as much backward
  });
  const start = (await createVit(config, rng.split("model"))) as TensorTree;
  try {
    const { params } = await train<TensorTree, ImageBatch>({
      params: start,
      loss: (leaves, batch) =>
        crossEntropy(vit(batch.images, leaves as VitParams, config), batch.labels, { labelSmoothing: 0.1 }),
      batches: {
        next: async () => (await batches.next()).value as ImageBatch,
        save: () => null,
        restore: () => {},
      },
      optimizer: { weightDecay: 0.05 },
      schedule: cosineSchedule({ peak: learningRate, total: steps, warmup: Math.floor(steps / 10) }),
      steps,
      clip: 1,
      rng: rng.split("train"),
      ...(signal && { signal }),
      async onStep({ step, ms, loss, params: leaves }) {
        seconds += ms / 1000;
        const { user, system } = process.cpuUsage(cpu); // since the last step
        cpuSeconds += (user + system) / 1e6;
        cpu = process.cpuUsage();
        losses += loss;
        const updates = step + 1;
        if (!ends.includes(updates)) return;
        const accuracy = await accuracyOf(leaves as VitParams, config, heldOut);
        curve.push({
          flops,
          seconds,
          cpuSeconds,
          updates,
          loss: losses / (updates - (curve.at(-1)?.updates ?? 0)),
          accuracy,
        });
        losses = 0;
        endTurn();
        endTurn = await turn();
        cpu = process.cpuUsage(); // what was measured is not trained
      },
    });
    disposeTree(params);
  } finally {
    endTurn();
    disposeTree(start);
    await batches.return(undefined);
  }
  return curve;
}

/** The batches of all epochs, read ahead of the training. */
async function* imageBatches(
  epochs: readonly Epoch<Batch<ImageScale>>[],
  images: ImageDataset,
  rng: Rng,
  onBatch: (scale: ImageScale) => void,
): AsyncGenerator<ImageBatch, undefined> {
  for (const epoch of epochs) {
    const chance = rng.split(epoch.epoch);
    const read = prefetch(epoch, (index, { height, width }) =>
      images.get(index, { height, width, rng: chance.split(index) }),
    );
    for await (const { items, ...scale } of read) {
      onBatch(scale);
      yield await batchOf(items);
    }
  }
}

async function batchOf(items: readonly { image: RgbImage; label: number }[]): Promise<ImageBatch> {
  const images = await collate(
    items.map(({ image }) => image),
    PIXELS,
  );
  return {
    images,
    labels: tensor(
      items.map(({ label }) => label),
      [items.length],
      "int32",
    ),
  };
}

/** The part of `images` whose class gets the highest score. */
async function accuracyOf(params: VitParams, config: VitConfig, images: ImageDataset): Promise<number> {
  const { rows, columns } = config.positions;
  const size = { height: rows * config.patchSize, width: columns * config.patchSize };
  const evaluation = createSampler({
    samples: images.length,
    scales: fixedScale({ size, batchSize: 100 }),
    shuffle: false,
    lastBatch: "short",
  });
  let right = 0;
  for await (const { items } of prefetch(evaluation.epoch(0), (index) => images.get(index, size))) {
    const batch = await batchOf(items);
    const scores = await takeData(vit(batch.images, params, config)); // [B, classes]
    batch.images.dispose();
    batch.labels.dispose();
    for (const [i, { label }] of items.entries()) {
      const row = scores.subarray(i * config.numClasses, (i + 1) * config.numClasses);
      if (row.indexOf(Math.max(...row)) === label) right += 1;
    }
  }
  return right / images.length;
}
