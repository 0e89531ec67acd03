import { moduleLoader } from "@corenet/tensor";

/** The kernels of packed matrices on a WebAssembly host. */
export const loadModule = /* @__PURE__ */ moduleLoader({
  relaxed: () => import("../../generated/kernels-relaxed.ts"),
  simd: () => import("../../generated/kernels-simd.ts"),
});
