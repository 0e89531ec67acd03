import {
  abs,
  concat,
  div,
  fill,
  greater,
  isFinite as isFiniteTensor,
  logicalAnd,
  max,
  mul,
  reshape,
  sqrt,
  square,
  sum,
  type Tensor,
  type Tensor1D,
  where,
  zeros,
} from "@corenet/tensor";

/** Below it a driver of webgpu may take numbers for 0, and x / max|x| for 0 / 0. */
const SMALLEST_NORMAL = 2 ** -126;

export function l2NormsReference(tensors: readonly Tensor[]): [Tensor1D] {
  return [tensors.length === 0 ? zeros<Tensor1D>([0]) : concat(tensors.map(l2Norm))];
}

/** [1]. Squares of x / max|x|, because squares of x leave the range of float32 beyond 1.8e19 and below 1e-23. */
function l2Norm(x: Tensor): Tensor1D {
  if (x.size === 0) return zeros<Tensor1D>([1]);
  const flat = reshape(x, [x.size]);
  const largest = max(abs(flat)); // of NaN or infinite x anything: then the sum below is not finite either
  const usable = logicalAnd(greater(largest, SMALLEST_NORMAL), isFiniteTensor(largest));
  const unit = where(usable, largest, fill([], 1));
  return reshape(mul(sqrt(sum(square(div(flat, unit)))), unit), [1]);
}
