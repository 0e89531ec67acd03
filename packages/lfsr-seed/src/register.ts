export { basisMatrix, integerBasis } from "./codec/basis-matrix.ts";
export { isMaximalLength } from "./lfsr/is-maximal-length.ts";
export { lfsrJump } from "./lfsr/lfsr-jump.ts";
export { indexToSeed, lfsrSequence, seedToIndex } from "./lfsr/lfsr-sequence.ts";
export { lfsrStates, lfsrStep } from "./lfsr/lfsr-step.ts";
export { type LfsrRegister, lfsrTaps } from "./lfsr/taps.ts";
