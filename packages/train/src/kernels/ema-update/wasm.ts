import type { Tensor, WasmKernel } from "@corenet/tensor";
import { linkKernels } from "../module.ts";
import type { EmaUpdateAttrs } from "./op.ts";

export const emaUpdateWasm: WasmKernel<[Tensor, Tensor], [Tensor], EmaUpdateAttrs> = async (host) => {
  const kernels = await linkKernels(host);
  return ([average, w], { decay }) => {
    const out = host.output(w.shape, "float32");
    const work = { tasks: w.size, grain: 16384 };
    host.parallel(kernels, "ema", work, host.address(average), host.address(w), decay, host.address(out));
    return [out];
  };
};
