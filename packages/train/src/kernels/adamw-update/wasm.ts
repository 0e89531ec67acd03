import type { Tensor, WasmKernel } from "@corenet/tensor";
import { linkKernels } from "../module.ts";
import type { AdamwTensors, AdamwUpdateAttrs } from "./op.ts";

/** One pass over the memory. */
export const adamwUpdateWasm: WasmKernel<AdamwTensors, [Tensor, Tensor, Tensor], AdamwUpdateAttrs> = async (
  host,
) => {
  const kernels = await linkKernels(host);
  return (inputs, attrs) => {
    const { learningRate, beta1, beta2, eps, weightDecay, correction1, correction2, gradScale } = attrs;
    const [w] = inputs;
    const after = () => host.output(w.shape, "float32");
    const outputs: [Tensor, Tensor, Tensor] = [after(), after(), after()];
    host.parallel(
      kernels,
      "adamw",
      { tasks: w.size, grain: 16384 },
      ...inputs.map(host.address),
      ...[learningRate, beta1, beta2, eps, weightDecay, correction1, correction2, gradScale],
      ...outputs.map(host.address),
    );
    return outputs;
  };
};
