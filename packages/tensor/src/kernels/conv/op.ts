import { defineOp } from "../../op.ts";
import { sum } from "../../ops/reduce.ts";
import type { Tensor1D, Tensor4D } from "../../types.ts";
import type { ConvAxis } from "./axis.ts";
import { conv2dInputGradReference, conv2dReference, conv2dWeightGradReference } from "./reference.ts";

export interface ConvAttrs {
  readonly rows: ConvAxis;
  readonly columns: ConvAxis;
  /** Divides the channels and the outputs: output o reads the channels of group ⌊o / (outputs / groups)⌋. */
  readonly groups: number;
}

/** With a bias, or without. */
export type ConvInputs = readonly [x: Tensor4D, weight: Tensor4D, ...bias: Tensor1D[]];

/** x [B, height, width, C], weight [O, kernel height, kernel width, C / groups], bias [O] to y [B, rows, columns, O]. */
export const conv2dOp = /* @__PURE__ */ defineOp<ConvInputs, [y: Tensor4D], ConvAttrs>({
  name: "conv2d",
  reference: conv2dReference,
  gradient: ({ inputs: [x, weight], dy: [dy], attrs, needs }) => {
    if (!dy) return [];
    return [
      needs[0] ? conv2dInputGradOp([dy as Tensor4D, weight], attrs)[0] : null,
      needs[1] ? conv2dWeightGradOp([x, dy as Tensor4D], attrs)[0] : null,
      needs[2] ? sum(dy, { axis: [0, 1, 2] }) : null,
    ];
  },
  saves: { inputs: true, outputs: false },
  kernels: {
    wasm: async () => (await import("./wasm.ts")).conv2d,
    webgpu: async () => (await import("./webgpu.ts")).conv2d,
  },
});

/** dy [B, rows, columns, O], weight [O, kernel height, kernel width, C / groups] to dx [B, height, width, C]. */
export const conv2dInputGradOp = /* @__PURE__ */ defineOp<
  [dy: Tensor4D, weight: Tensor4D],
  [dx: Tensor4D],
  ConvAttrs
>({
  name: "conv2dInputGrad",
  reference: conv2dInputGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).conv2dInputGrad,
    webgpu: async () => (await import("./webgpu.ts")).conv2dInputGrad,
  },
});

/** x [B, height, width, C], dy [B, rows, columns, O] to dWeight [O, kernel height, kernel width, C / groups]. */
export const conv2dWeightGradOp = /* @__PURE__ */ defineOp<
  [x: Tensor4D, dy: Tensor4D],
  [dWeight: Tensor4D],
  ConvAttrs
>({
  name: "conv2dWeightGrad",
  reference: conv2dWeightGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).conv2dWeightGrad,
    webgpu: async () => (await import("./webgpu.ts")).conv2dWeightGrad,
  },
});
