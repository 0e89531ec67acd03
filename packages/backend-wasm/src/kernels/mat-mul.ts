import type { TensorInfo } from "@corenet/tensor/host";
import { type Attrs, type Inputs, type KernelContext, sizeOf } from "./context.ts";

const F32 = 0; // the format of B
const GRAIN_FLOPS = 500_000; // ten microseconds
const PARTS_PER_THREAD = 2;

/** BatchMatMul in all four transpose forms: [..., M, K] · [..., K, N], equal batches or one shared matrix. */
export function batchMatMul(context: KernelContext, { a, b }: Inputs, attrs: Attrs): TensorInfo {
  const [left, right] = [a as TensorInfo, b as TensorInfo];
  const transA = Number(attrs.transposeA);
  const transB = Number(attrs.transposeB);
  const [rowsA, columnsA] = left.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = right.shape.slice(-2) as [number, number];
  const [M, K] = transA ? [columnsA, rowsA] : [rowsA, columnsA];
  const N = transB ? rowsB : columnsB;
  const batchA = sizeOf(left.shape.slice(0, -2));
  const batchB = sizeOf(right.shape.slice(0, -2));
  const batch = Math.max(batchA, batchB);
  const lead = batchA >= batchB ? left.shape.slice(0, -2) : right.shape.slice(0, -2);

  const out = context.output([...lead, M, N], "float32");
  const scratch = context.host.scratch(context.run("gemmScratchBytes", M, N, K));
  const strideA = batchA === 1 ? 0 : M * K;
  const strideB = batchB === 1 ? 0 : K * N;
  const [addressA, addressB, address] = [context.address(left), context.address(right), context.address(out)];
  if (batch > 1) {
    const matrices = [addressA, strideA, addressB, strideB, address, M * N];
    const work = { tasks: batch, grain: Math.ceil(GRAIN_FLOPS / (2 * M * N * K)) };
    context.parallel("gemmBatched", work, transA, transB, M, N, K, ...matrices, 1, 0, scratch);
    return out;
  }
  // A part packs all of the other side, so parts are cut from the longer one, and are few.
  const byColumns = N > M;
  const side = Math.max(M, N);
  const unit = byColumns ? 8 : 6; // the micro-kernel's tile
  const size = Math.ceil(side / context.host.threads / PARTS_PER_THREAD / unit) * unit;
  const sizes = [
    F32,
    transA,
    transB,
    M,
    N,
    K,
    addressA,
    transA ? M : K,
    addressB,
    transB ? K : N,
    address,
    N,
    1,
    0,
  ];
  const tasks = Math.ceil(side / size);
  const grain = Math.ceil(GRAIN_FLOPS / (2 * size * Math.min(M, N) * K));
  context.parallel("gemmParts", { tasks, grain }, ...sizes, scratch, Number(byColumns), size);
  return out;
}
