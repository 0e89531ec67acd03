// Elementwise kernels that are slow or lose NaN in their stock form.
import type { TensorInfo } from "@corenet/tensor/host";
import { type Attrs, type Inputs, type KernelContext, type StockKernel, sizeOf, workOf } from "./context.ts";
import { expand } from "./expand.ts";

/** Picks from t or e; the op made all three of one shape. */
export function select(context: KernelContext, inputs: Inputs, _attrs: Attrs): TensorInfo {
  const [condition, t, e] = [inputs.condition, inputs.t, inputs.e] as [TensorInfo, TensorInfo, TensorInfo];
  const out = context.output(t.shape, t.dtype);
  const addresses = [condition, t, e, out].map((info) => context.address(info));
  context.parallel("select", workOf(sizeOf(t.shape)), ...addresses);
  return out;
}

/** The larger or smaller of two float32 tensors that broadcast; NaN wins on either side. */
export function extreme(name: "maximum" | "minimum") {
  return (context: KernelContext, inputs: Inputs, attrs: Attrs, stock: StockKernel): TensorInfo => {
    const [a, b] = [inputs.a, inputs.b] as [TensorInfo, TensorInfo];
    if (a.dtype !== "float32") return stock({ a, b }, attrs);
    const rank = Math.max(a.shape.length, b.shape.length);
    const side = (info: TensorInfo, i: number) => info.shape[info.shape.length - rank + i] ?? 1;
    const shape = Array.from({ length: rank }, (_, i) => (side(a, i) === 1 ? side(b, i) : side(a, i)));
    const [left, right] = [expand(context, a, shape), expand(context, b, shape)];
    const out = context.output(shape, "float32");
    const addresses = [left, right, out].map((info) => context.address(info));
    context.parallel(name, workOf(sizeOf(shape)), ...addresses);
    for (const [full, given] of [
      [left, a],
      [right, b],
    ] as const)
      if (full !== given) context.backend.disposeData(full.dataId);
    return out;
  };
}
