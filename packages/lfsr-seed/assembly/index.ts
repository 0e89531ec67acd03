// The kernels of a matrix that is packed as seeds. Pure functions on addresses (bytes); a matrix is a payload as
// payload.ts says, all else f32, row-major, without gaps. Where a function ends in (begin, end) it does that range of
// its rows or parts, so that threads can share the work; (0, all) does everything.

export { decodeScratchBytes, lfsrRows } from "./decode";
export {
  lfsrMatMul, lfsrMatMulScratchBytes, lfsrMatMulTransposed, lfsrTransposedPart, lfsrTransposedScratchBytes,
} from "./mat-mul";
export { lfsrMatVecParts, lfsrMatVecSum, matVecScratchBytes } from "./mat-vec";
