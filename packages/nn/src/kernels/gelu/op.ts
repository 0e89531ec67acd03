import { defineOp, type Tensor } from "@corenet/tensor";
import { geluGradReference, geluReference } from "./reference.ts";

/** x · Φ(x), of each element. */
export const geluOp = /* @__PURE__ */ defineOp<[x: Tensor], [y: Tensor]>({
  name: "gelu",
  reference: geluReference,
  gradient: ({ inputs: [x], dy: [dy] }) => (dy ? geluGradOp([x, dy], {}) : []),
  saves: { inputs: true, outputs: false },
  kernels: {
    wasm: async () => (await import("./wasm.ts")).gelu,
    webgpu: async () => (await import("./webgpu.ts")).gelu,
  },
});

/** x and dy of one shape to the gradient of x. */
export const geluGradOp = /* @__PURE__ */ defineOp<[x: Tensor, dy: Tensor], [dx: Tensor]>({
  name: "geluGrad",
  reference: geluGradReference,
  kernels: {
    wasm: async () => (await import("./wasm.ts")).geluGrad,
    webgpu: async () => (await import("./webgpu.ts")).geluGrad,
  },
});
