import { replaceKernel, type TensorInfo } from "@corenet/tensor/host";
import { tfjsBackend } from "./tfjs.ts";

/**
 * Puts an exact product of int32 in the place of the stock one, which multiplies in double precision and loses the low
 * bits of what wraps around. Other dtypes stay with the stock kernel.
 */
export function replaceMultiply(): void {
  const backend = tfjsBackend();
  replaceKernel("Multiply", "cpu", (stock) => (inputs, attrs) => {
    const [a, b] = [inputs.a, inputs.b] as [TensorInfo, TensorInfo];
    if (a.dtype !== "int32" || b.dtype !== "int32") return stock(inputs, attrs);
    const rank = Math.max(a.shape.length, b.shape.length);
    const padded = (shape: readonly number[]) => [...Array<number>(rank - shape.length).fill(1), ...shape];
    const [sidesA, sidesB] = [padded(a.shape), padded(b.shape)];
    const shape = sidesA.map((side, i) => (side === 1 ? (sidesB[i] as number) : side));
    const [stridesA, stridesB] = [broadcastStrides(sidesA), broadcastStrides(sidesB)];
    const [valuesA, valuesB] = [backend.data.get(a.dataId).values, backend.data.get(b.dataId).values];
    const size = shape.reduce((product, side) => product * side, 1);
    const out = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      let [left, right, rest] = [0, 0, i];
      for (let axis = rank - 1; axis >= 0; axis--) {
        const index = rest % (shape[axis] as number);
        rest = (rest - index) / (shape[axis] as number);
        left += index * (stridesA[axis] as number);
        right += index * (stridesB[axis] as number);
      }
      out[i] = Math.imul(valuesA[left] as number, valuesB[right] as number);
    }
    return backend.makeTensorInfo(shape, "int32", out);
  });
}

/** Elements from one index to the next along each axis; 0 where the side is 1, so that it repeats. */
function broadcastStrides(shape: readonly number[]): number[] {
  return shape.map((side, i) =>
    side === 1 ? 0 : shape.slice(i + 1).reduce((product, next) => product * next, 1),
  );
}
