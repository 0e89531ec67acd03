import { productParts, type TensorInfo } from "@corenet/tensor/host";
import { type Attrs, type Inputs, type KernelContext, sizeOf } from "./context.ts";

const F32 = 0; // the format of B
const GRAIN_FLOPS = 500_000; // ten microseconds

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
  const { byColumns, size, work } = productParts({
    M,
    N,
    K,
    bytesPerNumber: 4,
    threads: context.host.threads,
  });
  const [lda, ldb] = [transA ? M : K, transB ? K : N];
  const product = [F32, transA, transB, M, N, K, addressA, lda, addressB, ldb, address, N, 1, 0];
  context.parallel("gemmParts", work, ...product, scratch, Number(byColumns), size);
  return out;
}
