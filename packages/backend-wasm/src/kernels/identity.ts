import type { TensorInfo } from "@corenet/tensor/host";
import type { Attrs, Inputs, KernelContext } from "./context.ts";

/** A second owner of the same memory, where the stock kernel copies. */
export function identity(context: KernelContext, { x }: Inputs, _attrs: Attrs): TensorInfo {
  const source = x as TensorInfo;
  return context.share(source, source.shape);
}
