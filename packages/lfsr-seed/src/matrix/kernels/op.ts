import { defineOp, type Op, type Tensor1D, type Tensor2D } from "@corenet/tensor";
import type { LfsrConfig } from "../../codec/config.ts";
import { lfsrMatMulReference, lfsrRowsReference } from "./reference.ts";

/** A matrix as `packPayload` wrote it. */
export type Payload = Tensor1D;

export interface LfsrAttrs {
  readonly rows: number;
  readonly columns: number;
  readonly config: LfsrConfig;
  /** Whether blocks straddle rows. */
  readonly isFlat: boolean;
  /** Lanes and groups of the payload. */
  readonly lanes: number;
  readonly groups: number;
}

export interface LfsrMatMulAttrs extends LfsrAttrs {
  readonly transpose: boolean;
  /** Whether few vectors are multiplied without decoding the weights: needs a payload that kernels know by heart. */
  readonly fused: boolean;
}

/** ids [n] to rows [n, columns] as float32. */
export const lfsrRowsOp = /* @__PURE__ */ defineOp<
  [payload: Payload, ids: Tensor1D],
  [rows: Tensor2D],
  LfsrAttrs
>({
  name: "lfsrRows",
  reference: lfsrRowsReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).lfsrRows,
    webgpu: async () => (await import("./webgpu.ts")).lfsrRows,
  },
});

/** x [n, columns] · Wᵀ to [n, rows]; with `transpose` x [n, rows] · W to [n, columns]. */
export const lfsrMatMulOp: Op<[x: Tensor2D, payload: Payload], [y: Tensor2D], LfsrMatMulAttrs> =
  /* @__PURE__ */ defineOp({
    name: "lfsrMatMul",
    reference: lfsrMatMulReference,
    gradient: ({ inputs: [, payload], dy: [dy], attrs }) =>
      dy ? [...lfsrMatMulOp([dy as Tensor2D, payload], { ...attrs, transpose: !attrs.transpose }), null] : [],
    saves: { inputs: true, outputs: false },
    kernels: {
      wasm: async () => (await import("./wasm.ts")).lfsrMatMul,
      webgpu: async () => (await import("./webgpu.ts")).lfsrMatMul,
    },
  });
