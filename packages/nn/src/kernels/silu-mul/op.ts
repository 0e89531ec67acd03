import { defineOp, type Tensor } from "@corenet/tensor";
import { siluMulGradReference, siluMulReference } from "./reference.ts";

/** [..., 2F] to silu(first half) · second half [..., F]. */
export const siluMulOp = /* @__PURE__ */ defineOp<[gateUp: Tensor], [y: Tensor]>({
  name: "siluMul",
  reference: siluMulReference,
  gradient: ({ inputs: [gateUp], dy: [dy] }) => (dy ? siluMulGradOp([gateUp, dy], {}) : []),
  saves: { inputs: true, outputs: false },
  kernels: {
    wasm: async () => (await import("./wasm.ts")).siluMul,
    webgpu: async () => (await import("./webgpu.ts")).siluMul,
  },
});

/** gateUp [..., 2F] and dy [..., F] to the gradient of gateUp. */
export const siluMulGradOp = /* @__PURE__ */ defineOp<[gateUp: Tensor, dy: Tensor], [dGateUp: Tensor]>({
  name: "siluMulGrad",
  reference: siluMulGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).siluMulGrad,
    webgpu: async () => (await import("./webgpu.ts")).siluMulGrad,
  },
});
