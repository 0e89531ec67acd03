import { constants } from "node:os";

type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";
const stopSignals: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
const echoMs = 500; // npm may pass on what the terminal has sent already

/** The process was told to stop. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: number;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Runs work that Ctrl-C ends in order: the first signal aborts with `Interrupted`, a second one, not before half a
 * second later, ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let firstAt = 0;
  const stop = (signal: StopSignal) => {
    if (!controller.signal.aborted) {
      firstAt = performance.now();
      controller.abort(new Interrupted(signal));
    } else if (performance.now() - firstAt > echoMs) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  for (const signal of stopSignals) process.on(signal, stop);
  try {
    return await work(controller.signal);
  } finally {
    // After a stop they stay: an echo of the signal must not end the process before its last words.
    if (!controller.signal.aborted) for (const signal of stopSignals) process.off(signal, stop);
  }
}

/** For commands whose files appear whole or not at all. @throws what it is given */
export function sayNothingIsHalf(error: unknown): never {
  if (error instanceof Interrupted)
    process.stderr.write("\nStopped; no file was left half written. The same command starts again.\n");
  throw error;
}
