import type { WasmHost, WasmKernels, WasmModuleSource } from "@corenet/tensor";

const source: WasmModuleSource = {
  relaxed: () => import("../generated/kernels-relaxed.ts"),
  simd: () => import("../generated/kernels-simd.ts"),
};
const linked = /* @__PURE__ */ new WeakMap<WasmHost, Promise<WasmKernels>>();

/** This package's compiled kernels over the memory of `host`: one instance for all ops. */
export function linkKernels(host: WasmHost): Promise<WasmKernels> {
  const known = linked.get(host);
  if (known) return known;
  const kernels = host.compile(source).then((module) => host.instantiate(module));
  linked.set(host, kernels);
  return kernels;
}
