import { defineOp, type Op, type Tensor2D, type Tensor3D, type Tensor4D } from "@corenet/tensor";
import { ropeReference } from "./reference.ts";

export interface RopeAttrs {
  /** 1 turns forward, −1 back. */
  readonly sign: 1 | -1;
}

type Table = Tensor2D | Tensor3D;
export type RopeInputs = [x: Tensor4D, cos: Table, sin: Table];

/** x [B, H, T, d], cos and sin [T, d/2] or [B, T, d/2] to [B, H, T, d]. A rotation's gradient is the rotation back. */
export const ropeOp: Op<RopeInputs, [y: Tensor4D], RopeAttrs> = /* @__PURE__ */ defineOp({
  name: "rope",
  reference: ropeReference,
  gradient: ({ inputs: [, cos, sin], dy: [dy], attrs }) =>
    dy ? ropeOp([dy as Tensor4D, cos, sin], { sign: attrs.sign === 1 ? -1 : 1 }) : [],
  saves: { inputs: true, outputs: false },
  kernels: {
    wasm: async () => (await import("./wasm.ts")).rope,
    webgpu: async () => (await import("./webgpu.ts")).rope,
  },
});
