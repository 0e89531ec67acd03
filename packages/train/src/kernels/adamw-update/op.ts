import { defineOp, type Tensor } from "@corenet/tensor";
import { adamwUpdateReference } from "./reference.ts";

export interface AdamwUpdateAttrs {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** 1 − beta1^t, at the t-th update, counted from 1. */
  readonly correction1: number;
  /** 1 − beta2^t. */
  readonly correction2: number;
  /** The gradient is multiplied by this first: for clipping and averaging. */
  readonly gradScale: number;
}

export type AdamwTensors = [w: Tensor, grad: Tensor, m: Tensor, v: Tensor];

/** One parameter, its gradient and its two moments, to the parameter and the moments after one update of AdamW. */
export const adamwUpdate = /* @__PURE__ */ defineOp<
  AdamwTensors,
  [w: Tensor, m: Tensor, v: Tensor],
  AdamwUpdateAttrs
>({
  name: "adamwUpdate",
  reference: adamwUpdateReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).adamwUpdateWasm,
    webgpu: async () => (await import("./webgpu.ts")).adamwUpdateWebGpu,
  },
});
