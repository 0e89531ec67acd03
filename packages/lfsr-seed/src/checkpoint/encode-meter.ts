import type { CompressProgress } from "./compress-checkpoint.ts";
import type { TensorPlan } from "./plan-checkpoint.ts";

const intervalMs = 100;

/** Progress of the search over many tensors: its speed counts what this run encodes, not what an earlier one did. */
export function encodeMeter(
  tensors: readonly TensorPlan[],
  onProgress: ((progress: CompressProgress) => void) | undefined,
) {
  const total = tensors.reduce((sum, { job }) => sum + job.grid.size, 0);
  const began = performance.now();
  let done = 0;
  let encoded = 0;
  let reportAt = began;

  function report(item: string | undefined): void {
    const ms = performance.now() - began;
    const progress: CompressProgress = { phase: "encode", unit: "weights", done, total };
    if (item !== undefined) progress.item = item;
    if (encoded > 0) {
      progress.weightsPerSecond = (1000 * encoded) / ms;
      progress.etaMs = ((total - done) * ms) / encoded;
    }
    reportAt = began + ms + intervalMs;
    onProgress?.(progress);
  }

  function count(weights: number, fromJournal: boolean, item: string): void {
    done += weights;
    if (!fromJournal) encoded += weights;
    if (done < total && performance.now() >= reportAt) report(item);
  }

  return {
    count,
    skip: (weights: number, item: string) => count(weights, true, item),
    /** Reports the end. @returns what this run encoded */
    finish(): { weights: number; ms: number } {
      report(undefined);
      return { weights: encoded, ms: performance.now() - began };
    },
  };
}
