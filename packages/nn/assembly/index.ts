// The kernels of nn's ops. Pure functions on addresses (bytes); tensors are f32, row-major, without gaps, unless said.
// (begin, end) is the range of rows or tasks to do, so that threads can share the work.

export { attention, attentionScratchBytes, attentionTasks } from "./attention";
export { attentionGrad, attentionGradScratchBytes } from "./attention-grad";
export { crossEntropy, crossEntropyGrad } from "./cross-entropy";
export { distillation, distillationGrad, distillationScratchBytes } from "./distillation";
export { gelu, geluGrad } from "./gelu";
export { layerNorm, layerNormGrad, layerNormGradColumns } from "./layer-norm";
export { rmsNorm, rmsNormGrad } from "./rms-norm";
export { rope } from "./rope";
export { siluMul, siluMulGrad } from "./silu-mul";
export { softmaxRows } from "./softmax";
