import { Rng } from "@corenet/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { variableBatchScales } from "./image-scales.ts";
import { createSampler } from "./sampler.ts";
import { createVideoClipSampler, fpsScales, type VideoClipOptions } from "./video-clips.ts";
import { fixedVideoScale, randomClips, variableFramesScales } from "./video-scales.ts";

test("frames vary with the size, the batch does not", () => {
  const scales = variableFramesScales({ baseSize: 224, minSize: 128, maxSize: 320, batchSize: 4, clips: 3 });
  expect(scales.map((s) => [s.height, s.frames])).toEqual([
    [128, 24],
    [192, 10],
    [224, 8],
    [288, 4],
    [320, 3],
  ]);
  expect(scales.every((s) => s.batchSize === 4 && s.clips === 3)).toBe(true);
});

test("fewer clips of each video make room for more videos, never more clips than the scale has", () => {
  const scales = fixedVideoScale({ size: 32, batchSize: 4, clips: 6 });
  const sampler = createSampler({
    samples: 500,
    scales,
    draw: randomClips({ maxClips: 4 }),
    random: new Rng(1),
  });
  const drawn = new Map(Array.from(sampler.epoch(0), (batch) => [batch.clips, batch.batchSize]));
  expect([...drawn].sort()).toEqual([
    [1, 24],
    [2, 12],
    [3, 8],
    [4, 4],
  ]);
});

const durations = [0.5, 12, 3, 100, 1, 7.5, 2];
const options: VideoClipOptions = {
  samples: 50,
  scales: variableBatchScales({ baseSize: 32, baseBatch: 4, minSize: 16, maxSize: 48, divisor: 8 }),
  baseSize: 32,
  metadata: (index) => ({ durationSeconds: durations[index % 7] as number, frameCount: 30 * index, fps: 30 }),
  fpsScales: fpsScales(),
  random: new Rng("clips"),
};

test("never has more clips than the budget, and loses and doubles no video, on any number of ranks", () => {
  const config = fc.record({
    samples: fc.integer({ min: 9, max: 120 }),
    worldSize: fc.integer({ min: 1, max: 9 }),
    maxClips: fc.integer({ min: 1, max: 60 }),
    clipsPerSecond: fc.constantFrom(0, 0.5, 1, 4),
    epoch: fc.nat(20),
  });
  fc.assert(
    fc.property(config, ({ worldSize, epoch, ...rest }) => {
      const ranks = Array.from({ length: worldSize }, (_, rank) => [
        ...createVideoClipSampler({ ...options, ...rest, ranks: { rank, worldSize } }).epoch(epoch),
      ]);
      expect(new Set(ranks.map((batches) => batches.length)).size).toBe(1);
      const seen: number[] = [];
      for (const batch of ranks.flat()) {
        const budget = Math.max(1, Math.floor((rest.maxClips * 32 * 32) / (batch.height * batch.width)));
        expect(batch.clips.reduce((sum, clips) => sum + clips, 0)).toBeLessThanOrEqual(budget);
        expect(Math.min(...batch.clips)).toBeGreaterThanOrEqual(1);
        expect(batch.clips.length).toBe(batch.indices.length);
        seen.push(...batch.indices);
      }
      const alone = ranks.flat().every((batch) => batch.batchSize === 1); // then what does not divide is dropped
      const distinct = new Set(seen).size;
      expect(distinct).toBe(seen.length);
      expect(rest.samples - distinct).toBeLessThanOrEqual(alone ? worldSize - 1 : 0);
    }),
  );
});

test("a budget smaller than one clip is one clip", () => {
  const [batch] = createVideoClipSampler({ ...options, baseSize: 8, maxClips: 1 }).epoch(0);
  expect([...(batch?.clips ?? [])]).toEqual([1]);
});

test("resumes, and says what it has", () => {
  const sampler = createVideoClipSampler(options);
  const whole = [...sampler.epoch(2)];
  const rest = sampler.epoch(2, { fromStep: 3 });
  expect([...rest]).toEqual(whole.slice(3));
  expect([rest.length, rest.sampleCount, rest.paddedCount]).toEqual([whole.length, 50, 50]);
});

test("says how to mend what cannot be", () => {
  const make = (more: Partial<VideoClipOptions>) => () => createVideoClipSampler({ ...options, ...more });
  expect(make({ maxClips: 0 })).toThrow("createVideoClipSampler: maxClips is 0");
  expect(make({ clipsPerSecond: -1 })).toThrow("clipsPerSecond is -1, expected a number >= 0. Use 1.");
  expect(make({ fpsScales: [] })).toThrow("fpsScales is [] at 8 frames a second");
  expect(make({ fpsScales: [0.1] })).toThrow("expected one or more that leave at least 1. Use [1].");
  expect(make({ ranks: { rank: 3, worldSize: 3 } })).toThrow("ranks.rank is 3 of 3");
  expect(make({ random: undefined })).toThrow("got no random");
  const unread = make({ metadata: () => ({ durationSeconds: Number.NaN, frameCount: 0, fps: 0 }) });
  expect(() => unread().epoch(0)).toThrow("metadata(");
  expect(() => randomClips({ minClips: 3, maxClips: 2 })).toThrow("minClips is 3 and maxClips is 2");
  expect(() => fixedVideoScale({ size: 8, batchSize: 1, frames: 0 })).toThrow("fixedVideoScale: frames is 0");
  expect(() => variableFramesScales({ baseSize: 8, batchSize: 0 })).toThrow("batchSize is 0");
  expect(() => fpsScales({ min: 2, max: 1 })).toThrow("expected 0 < min <= max");
});
