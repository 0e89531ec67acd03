import { checkCount, checkScaleCount } from "./check.ts";
import { type Batch, checkEpoch, checkStart, type Epoch, type EpochOptions, type Sampler } from "./epoch.ts";
import { checkOrder, type OrderOptions, orderSamples } from "./order.ts";
import { checkRandom, epochRandom, type RandomOption } from "./random.ts";
import type { ImageScale } from "./scale.ts";
import { linspace } from "./side-list.ts";
import { type Size, toSides } from "./size.ts";

/** What the length of a video says. */
export interface VideoMetadata {
  durationSeconds: number;
  frameCount: number;
  /** Frames a second. */
  fps: number;
}

/** A batch of videos, from each of which come so many clips as it is long. */
export interface ClipScale extends ImageScale {
  /** Frames in a clip. */
  readonly frames: number;
  /** Frames a second to read the video at. */
  readonly videoFps: number;
  /** Samples a second to read the sound at. */
  readonly audioFps: number;
  readonly samplesPerClip: number;
  /** How many clips of each video, one for each index. */
  readonly clips: Int32Array;
}

export interface VideoClipOptions extends Omit<OrderOptions, "ranks">, RandomOption {
  /** Sizes and the most videos in a batch, such as `variableBatchScales(…)`; a function gives those of an epoch. */
  scales: readonly ImageScale[] | ((epoch: number) => readonly ImageScale[]);
  /** The size at which `maxClips` holds; at others it shrinks and grows with the area. */
  baseSize: Size;
  metadata: (index: number) => VideoMetadata;
  /** Clips in a batch, at the base size. @default 50 */
  maxClips?: number;
  /** Clips from a second of video; 0 takes one for each position at which a clip fits. @default 1 */
  clipsPerSecond?: number;
  /** The fewest clips of a video. The reference has none with `clipsPerSecond: 0`: pass -Infinity. @default 1 */
  minClips?: number;
  /** Frames in a clip. @default 8 */
  frames?: number;
  /** @default 8 */
  videoFps?: number;
  /** @default 16000 */
  audioFps?: number;
  /** @default 1 */
  samplesPerClip?: number;
  /**
   * What both frame rates are multiplied by, one drawn for each batch. Its order decides which is drawn: `fpsScales()`
   * ascends, the reference's defaults are [1, 2.125, 2.5, 1.375, 1.75]. @default [1]
   */
  fpsScales?: readonly number[];
  ranks?: { rank: number; worldSize: number };
}

/** `count` scales of the frame rate from `min` to `max`, and 1. */
export function fpsScales(options: { min?: number; max?: number; count?: number } = {}): number[] {
  const { min = 1, max = 2.5, count = 5 } = options;
  checkScaleCount("fpsScales: count", count);
  if (!(min > 0 && min <= max && max < Infinity)) {
    throw new RangeError(
      `fpsScales: min is ${min} and max is ${max}, expected 0 < min <= max. Use 1 and 2.5.`,
    );
  }
  return [...new Set([...linspace(min, max, count), 1])].sort((a, b) => a - b);
}

/**
 * A sampler of videos of different lengths: a longer one gives more clips, and a batch ends where its budget of clips is
 * full. The last batch is not padded.
 *
 * With ranks, every rank plans all batches and takes its own. Where their number does not divide, the last batch with
 * more than one video gives one up to a new batch; where none has two, the last batches are dropped. The sampler's
 * `sampleCount` is an even share of the videos, that of an epoch is exact.
 *
 * @throws RangeError naming the option that cannot be
 */
export function createVideoClipSampler(options: VideoClipOptions): Sampler<Batch<ClipScale>> {
  const who = "createVideoClipSampler";
  const { ranks, maxClips = 50, frames = 8, videoFps = 8, samplesPerClip = 1 } = options;
  const { clipsPerSecond = 1, fpsScales: rates = [1] } = options;
  checkOrder(who, { ...options, ranks });
  toSides(`${who}: baseSize`, options.baseSize);
  for (const [name, value] of Object.entries({ maxClips, frames, samplesPerClip })) {
    checkCount(`${who}: ${name}`, value, 1, "Use at least 1.");
  }
  if (!(clipsPerSecond >= 0 && clipsPerSecond < Infinity)) {
    throw new RangeError(`${who}: clipsPerSecond is ${clipsPerSecond}, expected a number >= 0. Use 1.`);
  }
  if (rates.length === 0 || !rates.every((rate) => Math.trunc(videoFps * rate) >= 1 && rate < Infinity)) {
    throw new RangeError(
      `${who}: fpsScales is [${rates}] at ${videoFps} frames a second, expected one or more that leave at least 1. Use [1].`,
    );
  }
  checkRandom(who, options, options.shuffle !== false || rates.length > 1);
  const sampleCount = checkOrder(who, { ...options, ranks: undefined });
  return {
    sampleCount: ranks ? Math.ceil(sampleCount / ranks.worldSize) : sampleCount,
    epoch(epoch, { fromStep = 0 }: EpochOptions = {}) {
      checkEpoch(who, epoch, fromStep);
      return new ClipEpoch(who, planClips(who, options, epoch), epoch, fromStep);
    },
  };
}

class ClipEpoch implements Epoch<Batch<ClipScale>> {
  readonly epoch: number;
  readonly length: number;
  readonly sampleCount: number;
  readonly paddedCount: number;
  readonly #who: string;
  readonly #batches: readonly Omit<Batch<ClipScale>, "epoch" | "step">[];
  readonly #fromStep: number;

  constructor(
    who: string,
    batches: readonly Omit<Batch<ClipScale>, "epoch" | "step">[],
    epoch: number,
    fromStep: number,
  ) {
    this.epoch = epoch;
    this.length = batches.length;
    this.sampleCount = batches.reduce((sum, batch) => sum + batch.batchSize, 0);
    this.paddedCount = this.sampleCount;
    this.#who = who;
    this.#batches = batches;
    this.#fromStep = fromStep;
  }

  *[Symbol.iterator](): Generator<Batch<ClipScale>, void, undefined> {
    checkStart(this.#who, this.#fromStep, this.length);
    for (const [step, batch] of this.#batches.entries()) {
      if (step >= this.#fromStep) yield { ...batch, epoch: this.epoch, step };
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch<ClipScale>, void, undefined> {
    yield* this[Symbol.iterator]();
  }
}

type PlannedBatch = Omit<Batch<ClipScale>, "epoch" | "step">;

function planClips(who: string, options: VideoClipOptions, epoch: number): PlannedBatch[] {
  const { scales, ranks, maxClips = 50, metadata } = options;
  const { frames = 8, videoFps = 8, audioFps = 16000, samplesPerClip = 1, fpsScales: rates = [1] } = options;
  const base = toSides(`${who}: baseSize`, options.baseSize);
  const list = typeof scales === "function" ? scales(epoch) : scales;
  if (list.length === 0) throw new RangeError(`${who}: got no scales in epoch ${epoch}. Pass fixedScale(…).`);

  const random = epochRandom(who, options, epoch);
  const order = orderSamples({ ...options, ranks: undefined }, epoch, random);
  const batches: PlannedBatch[] = [];
  for (let start = 0; start < order.length; ) {
    const { height, width, batchSize } = list[random.below(list.length)] as ImageScale;
    const rate = rates[random.below(rates.length)] as number;
    const budget = Math.max(1, Math.floor(maxClips / ((height / base.height) * (width / base.width))));
    const clips: number[] = [];
    let sum = 0;
    while (clips.length < batchSize && start + clips.length < order.length) {
      const index = order[start + clips.length] as number;
      const count = Math.min(budget, countClips(who, options, index, metadata(index)));
      if (sum + count > budget) break;
      clips.push(count);
      sum += count;
    }
    batches.push({
      height,
      width,
      batchSize: clips.length,
      frames,
      videoFps: Math.trunc(videoFps * rate),
      audioFps: Math.trunc(audioFps * rate),
      samplesPerClip,
      clips: Int32Array.from(clips),
      indices: order.slice(start, start + clips.length),
    });
    start += clips.length;
  }
  if (!ranks) return batches;
  evenOut(batches, ranks.worldSize);
  return batches.filter((_, i) => i % ranks.worldSize === ranks.rank);
}

/** How many clips a video gives. */
function countClips(
  who: string,
  options: VideoClipOptions,
  index: number,
  { durationSeconds, frameCount, fps }: VideoMetadata,
): number {
  const { clipsPerSecond = 1, minClips = 1, frames = 8, videoFps = 8 } = options;
  const count =
    clipsPerSecond > 0
      ? Math.max(1, Math.trunc(durationSeconds * clipsPerSecond))
      : Math.trunc(frameCount - (frames / videoFps) * fps);
  if (!Number.isNaN(count)) return Math.max(minClips, count);
  throw new RangeError(
    `${who}: metadata(${index}) is ${JSON.stringify({ durationSeconds, frameCount, fps })}, ` +
      "expected numbers. Leave videos out that cannot be read.",
  );
}

/** Makes the number of batches a multiple of `worldSize`. */
function evenOut(batches: PlannedBatch[], worldSize: number): void {
  while (batches.length % worldSize !== 0) {
    const at = batches.findLastIndex((batch) => batch.batchSize > 1);
    const batch = batches[at];
    if (!batch) {
      batches.pop();
      continue;
    }
    const rest = batch.batchSize - 1;
    batches[at] = {
      ...batch,
      batchSize: rest,
      indices: batch.indices.slice(0, rest),
      clips: batch.clips.slice(0, rest),
    };
    batches.push({
      ...batch,
      batchSize: 1,
      indices: batch.indices.slice(rest),
      clips: batch.clips.slice(rest),
    });
  }
}
