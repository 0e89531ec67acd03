export { type OpenElmConfig, type OpenElmName, type OpenElmOptions, openElmConfig } from "./config.ts";
export { parseConfig, toConfigJson } from "./config-json.ts";
export { cacheFloatsPerToken, countMultiplyAdds, type ForwardCost } from "./cost.ts";
export { type ExportGgufOptions, exportGguf, type GgufVocabulary } from "./export-gguf.ts";
export { tokenizerVocabulary } from "./gguf-vocabulary.ts";
export {
  type AnswerSampleOptions,
  answerSample,
  type Instruction,
  instructionPrompt,
} from "./instruction-samples.ts";
export { type LoadOptions, loadOpenElm } from "./load.ts";
export { type LoadedLora, loadLora, type SaveLoraOptions, saveLora } from "./lora-files.ts";
export {
  decoderLayer,
  forward,
  type LayerContext,
  type OpenElmForwardOptions,
  type Positions,
} from "./model.ts";
export { createOpenElm, OpenElm } from "./open-elm.ts";
export { type PackedSample, type Packing, type PackOptions, packDocuments } from "./pack-documents.ts";
export {
  countParameters,
  createParameters,
  type OpenElmLayerParams,
  type OpenElmParams,
  type ParameterShape,
  parameterShapes,
} from "./parameters.ts";
export { type SaveOptions, saveOpenElm } from "./save.ts";
export { type LayerScaling, type LayerShape, scaleLayers } from "./scale-layers.ts";
export { estimateBytes, type Storage } from "./storage.ts";
export {
  cacheTeacherLogits,
  openTeacherLogits,
  type SampleLogits,
  type TeacherLogits,
  type TeacherLogitsOptions,
} from "./teacher-logits.ts";
export { type TextSample, type TextSampleOptions, textSamples } from "./text-samples.ts";
export { untie } from "./untie.ts";
