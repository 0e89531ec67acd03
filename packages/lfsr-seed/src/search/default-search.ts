import { referenceSearch } from "../codec/reference-search.ts";
import { createSearch } from "./create-search.ts";
import type { WorkerSearch } from "./worker-search.ts";

/** Weights that one thread codes in less time than workers take to start. */
const FEW_WEIGHTS = 2 ** 15;

/**
 * The search for `weights` weights where the caller names none: workers for many, the calling thread for few, and
 * plain JavaScript where WebAssembly, or its SIMD, is missing or forbidden.
 */
export async function defaultSearch(weights: number, workers?: number): Promise<WorkerSearch> {
  try {
    return await createSearch({ workers: workers ?? (weights < FEW_WEIGHTS ? 0 : undefined) });
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error;
    const dispose = () => Promise.resolve();
    return { ...referenceSearch(), dispose, [Symbol.asyncDispose]: dispose };
  }
}
