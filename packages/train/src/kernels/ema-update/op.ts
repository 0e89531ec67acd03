import { defineOp, type Tensor } from "@corenet/tensor";
import { emaUpdateReference } from "./reference.ts";

export interface EmaUpdateAttrs {
  readonly decay: number;
}

/** decay · average + (1 − decay) · w, of tensors of one shape. */
export const emaUpdate = /* @__PURE__ */ defineOp<
  [average: Tensor, w: Tensor],
  [average: Tensor],
  EmaUpdateAttrs
>({
  name: "emaUpdate",
  reference: emaUpdateReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).emaUpdateWasm,
    webgpu: async () => (await import("./webgpu.ts")).emaUpdateWebGpu,
  },
});
