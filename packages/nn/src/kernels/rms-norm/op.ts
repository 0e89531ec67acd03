import { defineOp, type Tensor, type Tensor1D } from "@corenet/tensor";
import { rmsNormGradReference, rmsNormReference } from "./reference.ts";

export interface RmsNormAttrs {
  readonly eps: number;
}

/** x [..., D], weight [D] to y [..., D] and the inverse root mean square of each row [...]. */
export const rmsNormOp = /* @__PURE__ */ defineOp<
  [x: Tensor, weight: Tensor1D],
  [y: Tensor, inverse: Tensor],
  RmsNormAttrs
>({
  name: "rmsNorm",
  reference: rmsNormReference,
  gradient: ({ inputs: [x, weight], outputs: [, inverse], dy: [dy] }) =>
    dy ? rmsNormGradOp([x, weight, inverse, dy], {}) : [],
  kernels: {
    wasm: async () => (await import("./wasm.ts")).rmsNorm,
    webgpu: async () => (await import("./webgpu.ts")).rmsNorm,
  },
});

/** x, weight, inverse root mean squares, dy [..., D] to dx [..., D] and dWeight [D]. */
export const rmsNormGradOp = /* @__PURE__ */ defineOp<
  [x: Tensor, weight: Tensor1D, inverse: Tensor, dy: Tensor],
  [dx: Tensor, dWeight: Tensor1D]
>({
  name: "rmsNormGrad",
  reference: rmsNormGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).rmsNormGrad,
    webgpu: async () => (await import("./webgpu.ts")).rmsNormGrad,
  },
});
