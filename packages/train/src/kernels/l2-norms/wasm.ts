import type { Tensor, Tensor1D, WasmKernel } from "@corenet/tensor";
import { linkKernels } from "../module.ts";

/** Sums in double precision. */
export const l2NormsWasm: WasmKernel<readonly Tensor[], [Tensor1D], Record<string, never>> = async (host) => {
  const { sumSquares } = await linkKernels(host);
  if (!sumSquares) throw new TypeError(`l2Norms: the kernel module has no "sumSquares". Build it again.`);
  return (tensors) => {
    const out = host.output([tensors.length], "float32") as Tensor1D;
    const norms = tensors.map((x) => Math.sqrt(sumSquares(host.address(x), x.size)));
    new Float32Array(host.memory.buffer, host.address(out), tensors.length).set(norms);
    return [out];
  };
};
