import { defineOp, type Tensor, type Tensor1D } from "@corenet/tensor";
import { layerNormGradReference, layerNormReference } from "./reference.ts";

export interface LayerNormAttrs {
  readonly eps: number;
}

export type LayerNormInputs = [x: Tensor, weight: Tensor1D, bias: Tensor1D];
export type LayerNormOutputs = [y: Tensor, mean: Tensor, inverse: Tensor];
export type LayerNormGradInputs = [x: Tensor, weight: Tensor1D, mean: Tensor, inverse: Tensor, dy: Tensor];
export type LayerNormGradOutputs = [dx: Tensor, dWeight: Tensor1D, dBias: Tensor1D];

/** x [..., D], weight and bias [D] to y [..., D], the mean and the inverse standard deviation of each row [...]. */
export const layerNormOp = /* @__PURE__ */ defineOp<LayerNormInputs, LayerNormOutputs, LayerNormAttrs>({
  name: "layerNorm",
  reference: layerNormReference,
  gradient: ({ inputs: [x, weight], outputs: [, mean, inverse], dy: [dy] }) =>
    dy ? layerNormGradOp([x, weight, mean, inverse, dy], {}) : [],
  kernels: {
    wasm: async () => (await import("./wasm.ts")).layerNorm,
    webgpu: async () => (await import("./webgpu.ts")).layerNorm,
  },
});

/** What the forward pass saw, and dy [..., D], to dx [..., D], dWeight [D] and dBias [D]. */
export const layerNormGradOp = /* @__PURE__ */ defineOp<LayerNormGradInputs, LayerNormGradOutputs>({
  name: "layerNormGrad",
  reference: layerNormGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).layerNormGrad,
    webgpu: async () => (await import("./webgpu.ts")).layerNormGrad,
  },
});
