import { expect, test } from "vitest";
import { longestWindow, stageOf, type TrainingSettings } from "./settings.ts";

const training: TrainingSettings = {
  ...{ steps: 10, embeddingScale: 1, learningRate: 1, minLearningRate: 1, warmup: 0 },
  ...{ weightDecay: 0, beta1: 0, beta2: 0, clip: 1, zLoss: 0 },
  stages: [
    { share: 0.6, batchSize: 8, length: 64 },
    { share: 0.4, batchSize: 2, length: 256 },
  ],
};

test("stages follow each other by their shares", () => {
  const lengths = Array.from({ length: 11 }, (_, step) => stageOf(step, training).length);
  expect(lengths).toEqual([64, 64, 64, 64, 64, 64, 256, 256, 256, 256, 256]);
});

test("the longest window has one byte more than the longest stage", () => {
  expect(longestWindow(training)).toBe(257);
});
