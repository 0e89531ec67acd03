import { replaceKernel, type TensorInfo } from "@corenet/tensor/host";
import { multiplyRows, turn } from "./mat-mul.ts";
import { tfjsBackend } from "./tfjs.ts";

/** Puts our product in the place of the stock BatchMatMul: [..., M, K] · [..., K, N], equal batches or a shared matrix. */
export function replaceMatMul(): void {
  const backend = tfjsBackend();
  replaceKernel("BatchMatMul", "cpu", (stock) => (inputs, attrs) => {
    const [a, b] = [inputs.a, inputs.b] as [TensorInfo, TensorInfo];
    if (a.dtype !== "float32" || b.dtype !== "float32") return stock(inputs, attrs);
    const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
    const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const N = transposeB ? rowsB : columnsB;
    const [leadA, leadB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const [countA, countB] = [sizeOf(leadA), sizeOf(leadB)];
    const batch = Math.max(countA, countB);
    const valuesOf = (info: TensorInfo) => backend.data.get(info.dataId).values as Float32Array;
    const [valuesA, valuesB] = [valuesOf(a), valuesOf(b)];
    const c = new Float32Array(batch * M * N);
    for (let i = 0; i < batch; i++) {
      const left = matrixAt(valuesA, countA === 1 ? 0 : i, rowsA, columnsA, transposeA);
      const right = matrixAt(valuesB, countB === 1 ? 0 : i, rowsB, columnsB, !transposeB);
      multiplyRows(left, right, c.subarray(i * M * N, (i + 1) * M * N), { M, N, K });
    }
    return backend.makeTensorInfo([...(countA >= countB ? leadA : leadB), M, N], "float32", c);
  });
}

function matrixAt(
  values: Float32Array,
  i: number,
  rows: number,
  columns: number,
  turned: boolean,
): Float32Array {
  const matrix = values.subarray(i * rows * columns, (i + 1) * rows * columns);
  return turned ? turn(matrix, rows, columns) : matrix;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
