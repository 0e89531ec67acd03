import { moduleLoader } from "../backend.ts";

/** This package's compiled kernels on a WebAssembly host. */
export const loadModule = /* @__PURE__ */ moduleLoader({
  relaxed: () => import("../generated/kernels-relaxed.ts"),
  simd: () => import("../generated/kernels-simd.ts"),
});
