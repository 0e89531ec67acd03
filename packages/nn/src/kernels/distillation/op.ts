import { defineOp, type Tensor1D, type Tensor2D } from "@corenet/tensor";
import { distillationGradReference, distillationReference } from "./reference.ts";

export interface DistillationAttrs {
  readonly ignoreIndex: number;
  readonly temperature: number;
  readonly alpha: number;
}

/** Without ids the teacher's K logits are those of the whole vocabulary. */
export type DistillationInputs = [
  student: Tensor2D,
  targets: Tensor1D,
  teacher: Tensor2D,
  ...ids: [] | [ids: Tensor2D],
];
export type DistillationGradInputs = [sums: Tensor2D, dLosses: Tensor1D, ...inputs: DistillationInputs];

/**
 * student [N, V], targets [N], teacher [N, K] and its ids [N, K] to the loss of each row [N], 0 where ignored, and [N, 3]:
 * logsumexp of the student's logits, of the same at the temperature, and of the teacher's at the temperature.
 */
export const distillationOp = /* @__PURE__ */ defineOp<
  DistillationInputs,
  [losses: Tensor1D, sums: Tensor2D],
  DistillationAttrs
>({
  name: "distillation",
  reference: distillationReference,
  gradient: ({ inputs, outputs: [, sums], dy: [dLosses], attrs }) =>
    dLosses ? distillationGradOp([sums, dLosses as Tensor1D, ...inputs], attrs) : [],
  kernels: {
    wasm: async () => (await import("./wasm.ts")).distillation,
    webgpu: async () => (await import("./webgpu.ts")).distillation,
  },
});

/** The gradient of the student's logits, given that of each row's loss. */
export const distillationGradOp = /* @__PURE__ */ defineOp<
  DistillationGradInputs,
  [dStudent: Tensor2D],
  DistillationAttrs
>({
  name: "distillationGrad",
  reference: distillationGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).distillationGrad,
    webgpu: async () => (await import("./webgpu.ts")).distillationGrad,
  },
});
