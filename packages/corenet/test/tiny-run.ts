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
    stages: [
      { share: 0.5, batchSize: 4, length: 16 },
      { share: 0.5, batchSize: 4, length: 32 },
    ],
    learningRate: 1e-2,
    minLearningRate: 1e-3,
    warmup: 5,
  },
} satisfies Partial<TrainTextOptions>;
