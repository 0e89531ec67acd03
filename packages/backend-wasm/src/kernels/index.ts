// The stock kernels that are slow, missing or wrong on TensorFlow.js's WebAssembly backend, and ours in their place.
import type { WasmHost, WasmKernels } from "@corenet/tensor";
import { replaceKernel, type TensorInfo } from "@corenet/tensor/host";
import type { TfjsWasmBackend } from "../tfjs.ts";
import { type Attrs, type Inputs, KernelContext } from "./context.ts";
import { batchMatMul } from "./mat-mul.ts";
import { concat, slice, splitV } from "./move.ts";
import { identity } from "./identity.ts";

type Kernel = (context: KernelContext, inputs: Inputs, attrs: Attrs) => TensorInfo | TensorInfo[];

const replacements: Readonly<Record<string, Kernel>> = {
  BatchMatMul: batchMatMul,
  Concat: concat,
  Identity: identity,
  Slice: slice,
  SplitV: splitV,
};

export function replaceStockKernels(host: WasmHost, kernels: WasmKernels, backend: TfjsWasmBackend): void {
  const context = new KernelContext(host, kernels, backend);
  for (const [name, kernel] of Object.entries(replacements)) {
    replaceKernel(name, "wasm", (inputs, attrs) => kernel(context, inputs, attrs));
  }
}
