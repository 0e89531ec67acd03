import { defineOp } from "../../op.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import { halfMatMulReference, halfRowsReference } from "./reference.ts";

export interface HalfMatrixAttrs {
  readonly format: "f16" | "bf16";
  readonly rows: number;
  readonly columns: number;
}

export type HalfMatMulAttrs = HalfMatrixAttrs & { readonly transpose: boolean };

/** Two numbers in each int32, the first in the lower half; row after row without a gap. */
export type Payload = Tensor1D;

/** ids [n] to rows [n, columns] as float32. */
export const halfRowsOp = /* @__PURE__ */ defineOp<
  [payload: Payload, ids: Tensor1D],
  [rows: Tensor2D],
  HalfMatrixAttrs
>({
  name: "halfRows",
  reference: halfRowsReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).halfRows,
    webgpu: async () => (await import("./webgpu.ts")).halfRows,
  },
});

/** x [..., columns] · Wᵀ to [..., rows]; with `transpose` x [..., rows] · W to [..., columns]. */
export const halfMatMulOp = /* @__PURE__ */ defineOp<
  [x: Tensor, payload: Payload],
  [y: Tensor],
  HalfMatMulAttrs
>({
  name: "halfMatMul",
  reference: halfMatMulReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).halfMatMul,
    webgpu: async () => (await import("./webgpu.ts")).halfMatMul,
  },
});
