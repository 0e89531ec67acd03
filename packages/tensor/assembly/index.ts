// Kernels of packed matrices and of convolutions. Pure functions on addresses (bytes).

export {
  convolve,
  convPanelFloats,
  convPanels,
  convScratchBytes,
  convTasks,
  convWeightGrad,
  convWeightGradScratchBytes,
  packConvWeight,
  packTurnedConvWeight,
} from "./conv";
export { decodeRows } from "./decode";
export { depthwise, depthwiseWeightGrad, depthwiseWeightGradScratchBytes, packDepthwiseWeight } from "./depthwise";
export { countNonFiniteF16 } from "./format";
export { gemmPackedB, gemmParts, gemmScratchBytes } from "./gemm";
export { decodeIntRows } from "./int-format";
export { intColumnParts, intColumnScratchBytes, intRowParts, intRowScratchBytes } from "./int-product";
export { roundedStride, roundRows } from "./round-rows";
