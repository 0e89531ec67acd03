export { type AttentionOptions, attention } from "./attention.ts";
export type { CausalLm, ForwardOptions, KvPair, KvShape, ReadRawKvOptions } from "./causal-lm.ts";
export {
  type ConvParams,
  type CreateConvOptions,
  convWeight,
  createConv1d,
  createConv2d,
} from "./conv.ts";
export { type CrossEntropyOptions, crossEntropy } from "./cross-entropy.ts";
export { type DistillationOptions, distillationLoss, type TopLogits } from "./distillation-loss.ts";
export type { DocumentStarts } from "./documents.ts";
export {
  type AssistantOptions,
  assistant,
  type Drafter,
  type DraftMethod,
  type PromptLookupOptions,
  promptLookup,
} from "./draft.ts";
export { embedding } from "./embedding.ts";
export {
  type EncoderBlockConfig,
  type EncoderBlockParams,
  encoderBlock,
} from "./encoder-block.ts";
export { type GatedFeedForwardParams, gatedFeedForward, siluMul } from "./gated-feed-forward.ts";
export { gelu } from "./gelu.ts";
export { type GeneratedToken, type GenerateOptions, generate, generateTokens } from "./generate.ts";
export { type GenerateBatchOptions, generateBatch } from "./generate-batch.ts";
export { type GenerateTextOptions, generateText } from "./generate-text.ts";
export { normal, uniform, unitGain } from "./initializers.ts";
export { intContainer } from "./int-container.ts";
export { KvCache, type KvCacheOptions } from "./kv-cache.ts";
export { type LayerNormOptions, type LayerNormParams, layerNorm } from "./layer-norm.ts";
export { type LinearOptions, type LinearParams, linear, type Weight } from "./linear.ts";
export {
  type EmbeddingAdapter,
  isEmbeddingAdapter,
  type LinearAdapter,
  type LoraParams,
  type LoraScaling,
  loraScale,
} from "./lora/adapter.ts";
export { applyLora, type CreateLoraOptions, createLora, mergeLora } from "./lora/lora.ts";
export { LoraWeight, mergedWeight } from "./lora/lora-weight.ts";
export {
  type ImageSize,
  type PatchEmbeddingOptions,
  type PatchGrid,
  patchEmbedding,
  patchGrid,
  patchWeight,
} from "./patch-embedding.ts";
export {
  type PositionEmbeddingOptions,
  type PositionInterpolation,
  positionEmbedding,
} from "./position-embedding.ts";
export { PromptCache } from "./prompt-cache.ts";
export { loadPromptCache, savePromptCache } from "./prompt-cache-file.ts";
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
export {
  type LogLikelihood,
  logLikelihoods,
} from "./score/log-likelihood.ts";
export {
  type Accuracy,
  accuracyOf,
  type ChoiceExample,
  type ChoiceResult,
  type EncodedPair,
  encodePair,
  type MultipleChoiceOptions,
  type MultipleChoiceScore,
  scoreMultipleChoice,
} from "./score/multiple-choice.ts";
export { type Perplexity, type PerplexityOptions, perplexity } from "./score/perplexity.ts";
export { scoreText, type TextScore } from "./score/score-text.ts";
export type { TokenScores } from "./score/token-log-probs.ts";
export { type TokenHeadsOptions, tokenHeads } from "./token-heads.ts";
export { type TokenLogProb, topLogProbs } from "./top-log-probs.ts";
export { isTrainableWeight, type TrainableWeight } from "./trainable-weight.ts";
export {
  createVit,
  poolTokens,
  type VitEncoderParams,
  type VitParams,
  vit,
  vitEncoder,
} from "./vit.ts";
export { countVitMultiplyAdds, type VitConfig, type VitOptions, vitConfig } from "./vit-config.ts";
