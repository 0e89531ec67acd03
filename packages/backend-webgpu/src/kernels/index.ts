import type { GpuStorage } from "../storage.ts";
import { registerBinary } from "./binary.ts";
import { createContext } from "./context.ts";
import { registerElementwise } from "./elementwise.ts";
import { registerMatMul } from "./mat-mul.ts";
import { registerMoves } from "./move.ts";
import { registerReductions } from "./reduce.ts";
import { registerRows } from "./rows.ts";
import { registerSoftmax } from "./softmax.ts";

/**
 * Registers a kernel for everything that `@corenet/tensor` computes: all of them ours, since most of TensorFlow.js's are
 * wrong on int32, NaN, large counts or high ranks, and say nothing.
 */
export function registerKernels(storage: GpuStorage): void {
  const context = createContext(storage);
  registerElementwise(context);
  registerBinary(context);
  registerMoves(context);
  registerReductions(context);
  registerSoftmax(context);
  registerMatMul(context);
  registerRows(context);
}
