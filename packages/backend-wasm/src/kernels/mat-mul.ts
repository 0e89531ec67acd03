import type { TensorInfo } from "@corenet/tensor/host";
import { type Attrs, type Inputs, type KernelContext, sizeOf } from "./context.ts";

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
  // prettier-ignore
  context.run(
    "gemmBatched",
    transA,
    transB,
    M,
    N,
    K,
    addressA,
    strideA,
    addressB,
    strideB,
    address,
    M * N,
    1,
    0,
    scratch,
    0,
    batch,
  );
  return out;
}
