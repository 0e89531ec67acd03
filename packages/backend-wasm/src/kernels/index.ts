// The stock kernels that are slow, missing or wrong on TensorFlow.js's WebAssembly backend, and ours in their place.
import type { WasmHost, WasmKernels } from "@corenet/tensor";
import { replaceKernel, type TensorInfo } from "@corenet/tensor/host";
import type { TfjsWasmBackend } from "../tfjs.ts";
import { type Attrs, type Inputs, KernelContext, type StockKernel } from "./context.ts";
import { extreme, select } from "./elementwise.ts";
import { tile } from "./expand.ts";
import { identity } from "./identity.ts";
import { batchMatMul } from "./mat-mul.ts";
import { concat, slice, splitV } from "./move.ts";
import { gatherV2, unsortedSegmentSum } from "./rows.ts";
import { sum } from "./sum.ts";

type Kernel = (
  context: KernelContext,
  inputs: Inputs,
  attrs: Attrs,
  stock: StockKernel,
) => TensorInfo | TensorInfo[];

const replacements: Readonly<Record<string, Kernel>> = {
  BatchMatMul: batchMatMul,
  Concat: concat,
  GatherV2: gatherV2,
  Identity: identity,
  Maximum: extreme("maximum"),
  Minimum: extreme("minimum"),
  Select: select,
  Slice: slice,
  SplitV: splitV,
  Sum: sum,
  Tile: tile,
  UnsortedSegmentSum: unsortedSegmentSum,
};

export function replaceStockKernels(host: WasmHost, kernels: WasmKernels, backend: TfjsWasmBackend): void {
  const context = new KernelContext(host, kernels, backend);
  for (const [name, kernel] of Object.entries(replacements)) {
    replaceKernel(name, "wasm", (stock) => (inputs, attrs) => kernel(context, inputs, attrs, stock));
  }
}
