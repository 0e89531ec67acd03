import { checkCount } from "./check.ts";
import { fitBatch } from "./fit-batch.ts";
import { type ImageSizesOptions, imageSizes } from "./image-sizes.ts";
import type { Draw } from "./sampler.ts";
import type { VideoScale } from "./scale.ts";
import { type Size, toSides } from "./size.ts";

/**
 * The one scale of videos with fixed size, frames and clips.
 *
 * @throws RangeError naming the option that cannot be
 */
export function fixedVideoScale(options: {
  size: Size;
  /** Videos in a batch. */
  batchSize: number;
  /** Frames in a clip. @default 8 */
  frames?: number;
  /** Clips from each video. @default 1 */
  clips?: number;
}): VideoScale[] {
  const { size, batchSize, frames = 8, clips = 1 } = options;
  checkVideo("fixedVideoScale", { batchSize, frames, clips });
  return [{ ...toSides("fixedVideoScale: size", size), batchSize, frames, clips }];
}

export interface VariableFramesOptions extends ImageSizesOptions {
  /** Videos in a batch, at every size. */
  batchSize: number;
  /** Frames in a clip at the base size. @default 8 */
  baseFrames?: number;
  /** Clips from each video. @default 1 */
  clips?: number;
}

/**
 * Videos at several sizes, where the length of a clip varies and the batch does not:
 * `frames = max(1, floor(frames₀ H₀ W₀ / (H W)))`.
 *
 * @throws RangeError naming the option that cannot be
 */
export function variableFramesScales(options: VariableFramesOptions): VideoScale[] {
  const { baseSize, batchSize, baseFrames = 8, clips = 1 } = options;
  checkVideo("variableFramesScales", { batchSize, baseFrames, clips });
  const base = toSides("variableFramesScales: baseSize", baseSize);
  const budget = base.height * base.width * baseFrames; // pixels of a clip
  return imageSizes("variableFramesScales", options).map(({ height, width }) => ({
    height,
    width,
    batchSize,
    frames: fitBatch(budget, height * width),
    clips,
  }));
}

/**
 * The draw of a sampler whose steps take a random number of clips from each video, and so many times the videos as
 * these clips fit into the scale's: `max(b, b floor(clips / drawn))`.
 *
 * @returns the option `draw` of `createSampler`
 * @throws RangeError naming the option that cannot be
 */
export function randomClips(options: { minClips?: number; maxClips?: number } = {}): Draw<VideoScale> {
  const { minClips = 1, maxClips = 5 } = options;
  checkVideo("randomClips", { minClips, maxClips });
  if (minClips > maxClips) {
    throw new RangeError(
      `randomClips: minClips is ${minClips} and maxClips is ${maxClips}, expected minClips <= maxClips. Swap them.`,
    );
  }
  return (random, scales) => {
    const clips = minClips + random.below(maxClips - minClips + 1);
    const scale = scales[random.below(scales.length)] as VideoScale;
    return { ...scale, clips, batchSize: scale.batchSize * Math.max(1, Math.floor(scale.clips / clips)) };
  };
}

function checkVideo(who: string, counts: Record<string, number>): void {
  for (const [name, value] of Object.entries(counts))
    checkCount(`${who}: ${name}`, value, 1, "Use at least 1.");
}
