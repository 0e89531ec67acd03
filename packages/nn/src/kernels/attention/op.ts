import { defineOp, type Tensor3D, type Tensor4D } from "@corenet/tensor";
import { attentionGradReference, attentionReference } from "./reference.ts";

export interface AttentionAttrs {
  readonly causal: boolean;
  /** How many of the keys count. */
  readonly length: number;
  /** The first key that counts: of each row [B], or of each query [B, T], where it never falls within a row. */
  readonly validFrom?: ArrayLike<number>;
}

export type AttentionInputs = [q: Tensor4D, k: Tensor4D, v: Tensor4D];
export type AttentionOutputs = [y: Tensor4D, lse: Tensor3D];
export type AttentionGradInputs = [
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  y: Tensor4D,
  lse: Tensor3D,
  dy: Tensor4D,
];
export type AttentionGradOutputs = [dq: Tensor4D, dk: Tensor4D, dv: Tensor4D];

/** q [B, H, T, d], k and v [B, Hkv, capacity, d] to y [B, H, T, d] and the log of each softmax's sum [B, H, T]. */
export const attentionOp = /* @__PURE__ */ defineOp<AttentionInputs, AttentionOutputs, AttentionAttrs>({
  name: "attention",
  reference: attentionReference,
  gradient: ({ inputs, outputs: [y, lse], dy: [dy], attrs }) =>
    dy ? attentionGradOp([...inputs, y, lse, dy as Tensor4D], attrs) : [],
  kernels: {
    wasm: async () => (await import("./wasm.ts")).attention,
    webgpu: async () => (await import("./webgpu.ts")).attention,
  },
});

/** The gradients of q, k and v; the probabilities are computed again. */
export const attentionGradOp = /* @__PURE__ */ defineOp<
  AttentionGradInputs,
  AttentionGradOutputs,
  AttentionAttrs
>({
  name: "attentionGrad",
  reference: attentionGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).attentionGrad,
    webgpu: async () => (await import("./webgpu.ts")).attentionGrad,
  },
});
