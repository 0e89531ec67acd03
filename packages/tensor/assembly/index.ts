// Kernels of packed matrices. Pure functions on addresses (bytes).

export { decodeRows } from "./decode";
export { countNonFiniteF16 } from "./format";
export { gemmPackedB, gemmParts, gemmScratchBytes } from "./gemm";
export { decodeIntRows } from "./int-format";
export { intParts, intScratchBytes } from "./int-product";
