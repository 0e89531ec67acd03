// The kernels that replace tfjs's own where those are slow, missing or wrong. Pure functions on addresses (bytes);
// tensors are f32, row-major, without gaps, unless said. Where a function ends in (begin, end) it does that range of
// its rows, tiles or elements, so that threads can share the work; (0, all) does everything.

export { gemm, gemmBatched, gemmPackedB, gemmParts, gemmScratchBytes, gemmTile } from "../../tensor/assembly/gemm";
export { fmaPeak } from "./peak";
export { countNonFiniteF16 } from "../../tensor/assembly/format";
export { countNonFinite, sumColumns, sumRows, sumSquares } from "../../tensor/assembly/reduce";
export { maximum, minimum } from "./elementwise";
export { broadcastRows, copyBlocks, gatherRows, segmentSum, select, stridedCopy } from "./move";
