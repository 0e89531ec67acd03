export { type AttentionOptions, attention } from "./attention.ts";
export type { CausalLm, ForwardOptions, KvPair, KvShape, ReadRawKvOptions } from "./causal-lm.ts";
export { type CrossEntropyOptions, crossEntropy } from "./cross-entropy.ts";
export { embedding } from "./embedding.ts";
export { type GatedFeedForwardParams, gatedFeedForward, siluMul } from "./gated-feed-forward.ts";
export { type GenerateOptions, generate } from "./generate.ts";
export { normal, unitGain } from "./initializers.ts";
export { KvCache, type KvCacheOptions } from "./kv-cache.ts";
export { linear, type Weight } from "./linear.ts";
export { type RmsNormOptions, rmsNorm } from "./rms-norm.ts";
export { type RopeTableOptions, type RopeTables, rope, ropeTables } from "./rope.ts";
export {
  applyTemperature,
  keepMinP,
  keepTopK,
  keepTopP,
  type Logits,
  mostLikely,
  nextTokenProbabilities,
  penalizeRepetition,
  probabilitiesOf,
  type SamplingOptions,
  sampleToken,
} from "./samplers.ts";
