import { defineOp, type Tensor1D, type Tensor2D, type Tensor3D, type Tensor4D } from "@corenet/tensor";
import { tokenHeadsReference } from "./reference.ts";

export interface TokenHeadsAttrs {
  readonly numQueryHeads: number;
  readonly numKvHeads: number;
  readonly eps: number;
}

export type TokenHeadsInputs = [
  qkv: Tensor3D,
  queryGain: Tensor1D,
  keyGain: Tensor1D,
  cos: Tensor2D,
  sin: Tensor2D,
];

export type TokenHeadsOutputs = [queries: Tensor4D, keys: Tensor4D, values: Tensor4D];

/**
 * The joint projection of one token [B, 1, (H + 2 Hkv) d], gains [d] and tables [1, d/2] to queries [B, H, 1, d], keys and
 * values [B, Hkv, 1, d].
 */
export const tokenHeadsOp = /* @__PURE__ */ defineOp<TokenHeadsInputs, TokenHeadsOutputs, TokenHeadsAttrs>({
  name: "tokenHeads",
  reference: tokenHeadsReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).tokenHeads,
    webgpu: async () => (await import("./webgpu.ts")).tokenHeads,
  },
});
