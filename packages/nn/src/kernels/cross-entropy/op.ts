import { defineOp, type Tensor1D, type Tensor2D } from "@corenet/tensor";
import { crossEntropyGradReference, crossEntropyReference } from "./reference.ts";

export interface CrossEntropyAttrs {
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  readonly zLoss: number;
}

export type CrossEntropyInputs = [logits: Tensor2D, targets: Tensor1D];
export type CrossEntropyGradInputs = [logits: Tensor2D, targets: Tensor1D, lse: Tensor1D, dLosses: Tensor1D];

/** logits [N, V], targets [N] to the loss of each row [N], 0 where ignored, and its logsumexp [N]. */
export const crossEntropyOp = /* @__PURE__ */ defineOp<
  CrossEntropyInputs,
  [losses: Tensor1D, lse: Tensor1D],
  CrossEntropyAttrs
>({
  name: "crossEntropy",
  reference: crossEntropyReference,
  gradient: ({ inputs: [logits, targets], outputs: [, lse], dy: [dLosses], attrs }) =>
    dLosses ? [...crossEntropyGradOp([logits, targets, lse, dLosses as Tensor1D], attrs), null] : [],
  kernels: {
    wasm: async () => (await import("./wasm.ts")).crossEntropy,
    webgpu: async () => (await import("./webgpu.ts")).crossEntropy,
  },
});

/** The gradient of the logits, given that of each row's loss. */
export const crossEntropyGradOp = /* @__PURE__ */ defineOp<
  CrossEntropyGradInputs,
  [dLogits: Tensor2D],
  CrossEntropyAttrs
>({
  name: "crossEntropyGrad",
  reference: crossEntropyGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).crossEntropyGrad,
    webgpu: async () => (await import("./webgpu.ts")).crossEntropyGrad,
  },
});
