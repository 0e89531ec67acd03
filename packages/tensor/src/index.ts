export {
  activeBackend,
  type Backend,
  moduleLoader,
  type ParallelWork,
  type PerThread,
  type RunningBackend,
  useBackend,
  type WasmHost,
  type WasmKernels,
  type WasmModuleSource,
  type WebGpuHost,
  type WgslProgram,
  type WgslRun,
} from "./backend.ts";
export { checkDType, checkShape, formatShape } from "./check.ts";
export { checkpoint } from "./checkpoint.ts";
export { DenseMatrix } from "./dense-matrix.ts";
export { HalfMatrix } from "./half-matrix.ts";
export { IntMatrix } from "./int-matrix.ts";
export { keep, memory, readData, takeData, tidy } from "./memory.ts";
export {
  defineOp,
  type GradientContext,
  loadKernels,
  type Op,
  type OpDefinition,
  type OpFunction,
  opsWithoutKernel,
  type WasmKernel,
  type WebGpuKernel,
} from "./op.ts";
export { add, div, maximum, minimum, mul, type Operand, sub } from "./ops/arithmetic.ts";
export { type Conv1dOptions, type Conv2dOptions, type ConvZeros, conv1d, conv2d } from "./ops/conv.ts";
export { fill, type Nested, ones, range, scalar, tensor, tensor1d, zeros, zerosLike } from "./ops/create.ts";
export { abs, exp, log, neg, relu, rsqrt, sigmoid, silu, sqrt, square, tanh } from "./ops/elementwise.ts";
export { checkIds, gather, oneHot, segmentSum } from "./ops/gather.ts";
export {
  equal,
  greater,
  greaterEqual,
  isFinite,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  notEqual,
  where,
} from "./ops/logic.ts";
export { type MatMulOptions, matMul } from "./ops/mat-mul.ts";
export { argMax, logSumExp, max, mean, min, type ReduceOptions, softmax, sum } from "./ops/reduce.ts";
export { broadcastTo, cast, clone, concat, pad, reshape, slice, split, transpose } from "./ops/shape.ts";
export { type MatrixFormat, packMatrix } from "./pack-matrix.ts";
export type { PackedMatrix } from "./packed-matrix.ts";
export { type PackingError, packingError } from "./packing-error.ts";
export { isTensor } from "./raw.ts";
export { withoutGradient } from "./tape.ts";
export { tensorFromPieces } from "./tensor-from-pieces.ts";
export {
  disposeTree,
  mapTree,
  type ParamTree,
  type TensorTree,
  type Tree,
  treeEntries,
  treeFromEntries,
  treeLeaves,
  zipTrees,
} from "./tree.ts";
export type {
  DataOf,
  DType,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  Tensor5D,
} from "./types.ts";
export { customGradient, type ValueAndGrad, valueAndGrad } from "./value-and-grad.ts";
export {
  type LeftMatrix,
  type ProductOptions,
  type ProductRun,
  type ProductTarget,
  planProduct,
  type RightMatrix,
} from "./wgsl/mat-mul.ts";
export { wgslMath } from "./wgsl/math.ts";
export { wgslReduce } from "./wgsl/reduce.ts";
