/** How far a long piece of work is: one shape for downloads, saving, training and everything else. */
export interface Progress {
  /** What is being done, such as "download" or "write". */
  phase: string;
  /** How much is done, in `unit`. Never goes back within a phase. */
  done: number;
  /** How much there is, in `unit`; left out where nobody knows. */
  total?: number;
  /** What `done` counts: "bytes", "tensors", "steps", ... */
  unit: string;
  /** What it is at now, such as a file or a tensor. */
  item?: string;
  /** Estimated milliseconds to the end, at the mean speed so far; left out before there is one. */
  etaMs?: number;
}

export type OnProgress = (progress: Progress) => void;

export interface ProgressOptions {
  phase: string;
  total?: number;
  unit: string;
  /** Without it nothing is reported, and nothing costs. */
  onProgress?: OnProgress | undefined;
  /** The clock, in milliseconds. @default performance.now */
  now?: () => number;
  /** Least time between two events, except the first and the last. @default 100 */
  intervalMs?: number;
}

export interface ProgressReporter {
  /** Counts `amount` more. */
  advance(amount: number, item?: string): void;
  /** Reports the end, with `done` equal to the total. Does nothing the second time. */
  finish(): void;
}

/**
 * Reports progress: the first event at once, then at most one per `intervalMs`, then the end exactly once, with
 * `done` equal to `total` (to what was counted, where no total is known). Call `finish` only when the work succeeded.
 *
 * @throws RangeError when `total` is not a finite number >= 0; from `advance`, when `amount` is not, or when more is
 *   done than `total`
 */
export function createProgress(options: ProgressOptions): ProgressReporter {
  const { phase, total, unit, onProgress, now = () => performance.now(), intervalMs = 100 } = options;
  if (total !== undefined && !(total >= 0 && total < Infinity)) {
    throw new RangeError(
      `createProgress: total is ${total}, expected a finite number >= 0. Leave it out if unknown.`,
    );
  }
  const start = onProgress ? now() : 0;
  let done = 0;
  let finished = false;
  let nextAt = -Infinity;

  function report(at: number, item: string | undefined): void {
    nextAt = at + intervalMs;
    const progress: Progress = { phase, done, unit };
    if (total !== undefined) progress.total = total;
    if (item !== undefined) progress.item = item;
    if (total !== undefined && done > 0) progress.etaMs = ((at - start) / done) * (total - done);
    onProgress?.(progress);
  }

  return {
    advance(amount, item) {
      if (!(amount >= 0 && amount < Infinity)) {
        throw new RangeError(
          `advance: amount is ${amount}, expected a finite number >= 0. Progress never goes back.`,
        );
      }
      if (total !== undefined && done + amount > total) {
        throw new RangeError(
          `advance: ${phase} would be at ${done + amount} of ${total} ${unit}. Count each part once.`,
        );
      }
      done += amount;
      if (!onProgress || finished || done === total) return; // the end is reported by finish
      const at = now();
      if (at >= nextAt) report(at, item);
    },
    finish() {
      if (finished) return;
      finished = true;
      if (total !== undefined) done = total;
      if (onProgress) report(now(), undefined);
    },
  };
}
