// A run that takes seconds: what trainTextModel is tested with.
import type { TrainTextOptions } from "corenet/node";

export const tinyRun = {
  seed: 7,
  model: {
    ...{ vocabSize: 256, contextLength: 32, ropeBase: 10000, ropeMaxLength: 64, tied: true },
    ...{ numLayers: 2, modelDim: 32, headDim: 16, groupSize: 2, ffnDivisor: 16 },
    ...{ qkvMultipliers: [1, 2], ffnMultipliers: [1, 2] },
  },
  training: {
    sequences: {
      ...{ baseLength: 32, baseBatch: 4, spacing: "doubling", divisor: 16, count: 1, includeBase: "inRange" },
      ...{ startMinLength: 16, startMaxLength: 16, endMinLength: 16, endMaxLength: 32 },
      ...{ epochs: 4, growUntil: 1, shape: "linear" },
    },
    learningRate: 1e-2,
    minLearningRate: 1e-3,
    warmup: 5,
  },
} satisfies Partial<TrainTextOptions>;
