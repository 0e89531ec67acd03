import { defineOp } from "../../op.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../types.ts";
import { intMatMulReference, intRowsReference } from "./reference.ts";

export interface IntMatrixAttrs {
  readonly format: "int8" | "int4";
  readonly rows: number;
  readonly columns: number;
}

export type IntMatMulAttrs = IntMatrixAttrs & { readonly transpose: boolean };

/** Bytes of `QuantizedRows.quants`, four in each int32, the first lowest; rows in quads: see `toQuads`. */
export type Quants = Tensor1D;
/** `QuantizedRows.scales`, two in each int32, the first in the lower half; rows in quads. */
export type Scales = Tensor1D;

/** ids [n] to rows [n, columns] as float32. */
export const intRowsOp = /* @__PURE__ */ defineOp<
  [quants: Quants, scales: Scales, ids: Tensor1D],
  [rows: Tensor2D],
  IntMatrixAttrs
>({
  name: "intRows",
  reference: intRowsReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).intRows,
    webgpu: async () => (await import("./webgpu.ts")).intRows,
  },
});

/**
 * x [..., columns] · Wᵀ to [..., rows]; with `transpose` x [..., rows] · W to [..., columns]. On wasm x is rounded to
 * integers in the first form; see `IntMatrix.multiply`.
 */
export const intMatMulOp = /* @__PURE__ */ defineOp<
  [x: Tensor, quants: Quants, scales: Scales],
  [y: Tensor],
  IntMatMulAttrs
>({
  name: "intMatMul",
  reference: intMatMulReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).intMatMul,
    webgpu: async () => (await import("./webgpu.ts")).intMatMul,
  },
});
