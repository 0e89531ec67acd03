import type { CheckpointStore } from "./checkpoint-store.ts";
import type { CheckpointOptions } from "./train-options.ts";

/** A place that checkpoints of a run go to, and when. */
export interface SaveTarget {
  readonly store: string | CheckpointStore;
  readonly keep: number | undefined;
  readonly everySteps: number;
  readonly everySeconds: number;
  /** Whether the end of the run is written, too. */
  readonly wantsEnd: boolean;
  savedStep: number | null;
  savedMs: number;
}

/** The folder of the caller's, where there is one. */
export function folderTarget(options: CheckpointOptions): SaveTarget {
  const { folder, keep, everySteps } = options;
  const { everySeconds = everySteps === undefined ? 300 : Infinity } = options;
  return {
    ...{ store: folder, keep, everySteps: everySteps ?? Infinity, everySeconds, wantsEnd: true },
    ...{ savedStep: null, savedMs: performance.now() },
  };
}

/** Copies in memory: the last, to go on from when the device is lost. */
export function snapshotTarget(store: CheckpointStore, everySteps: number): SaveTarget {
  return {
    ...{ store, keep: 1, everySteps, everySeconds: Infinity, wantsEnd: false },
    ...{ savedStep: null, savedMs: performance.now() },
  };
}

export function isDue({ everySteps, everySeconds, savedStep, savedMs }: SaveTarget, step: number): boolean {
  if (savedStep === step) return false;
  return step % everySteps === 0 || performance.now() - savedMs >= everySeconds * 1000;
}
