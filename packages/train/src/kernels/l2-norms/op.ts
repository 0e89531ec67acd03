import { defineOp, type Tensor, type Tensor1D } from "@corenet/tensor";
import { l2NormsReference } from "./reference.ts";

/**
 * √Σx² of each of n float32 tensors, as [n]: without overflow on the way, and NaN or infinite exactly where a tensor
 * holds such a number or its norm passes 3.4e38. One op for all, so that a model is looked over in one call.
 */
export const l2Norms = /* @__PURE__ */ defineOp<readonly Tensor[], [norms: Tensor1D]>({
  name: "l2Norms",
  reference: l2NormsReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).l2NormsWasm,
    webgpu: async () => (await import("./webgpu.ts")).l2NormsWebGpu,
  },
});
