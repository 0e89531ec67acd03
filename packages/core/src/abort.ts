/**
 * What our own code throws when it stops because it was told to: a DOMException whose `name` is "AbortError", the
 * same as the platform throws. A caller's `signal.reason` is always passed on as it is, not wrapped in this.
 */
export class AbortError extends DOMException {
  constructor(message = "The operation was aborted.") {
    super(message, "AbortError");
  }
}

/** Whether `error` says that something was aborted, by us or by the platform. A custom `signal.reason` may not. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Throws `signal.reason` if `signal` is aborted. Without a signal it does nothing. */
export function throwIfAborted(signal?: AbortSignal): void {
  signal?.throwIfAborted();
}

/**
 * `promise`, or a rejection with `signal.reason` as soon as `signal` aborts. The work behind `promise` goes on; what
 * it brings afterwards is dropped, a rejection too. The listener is removed as soon as either settles.
 */
export function abortable<T>(promise: PromiseLike<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return Promise.resolve(promise);
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const settled = () => signal.removeEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    // Attached in every case: this also marks a late rejection as handled.
    promise.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error) => {
        settled();
        reject(error);
      },
    );
  });
}

/**
 * Waits `ms` milliseconds, or rejects with `signal.reason` as soon as `signal` aborts; then no timer is left.
 *
 * @param ms - milliseconds in [0, 2^31)
 * @throws RangeError when `ms` is outside [0, 2^31): timers would fire at once
 */
export async function sleep(ms: number, options: { signal?: AbortSignal } = {}): Promise<void> {
  const { signal } = options;
  if (!(ms >= 0 && ms < 2 ** 31)) {
    throw new RangeError(`sleep: ms is ${ms}, expected [0, 2^31). Sleep in parts of at most 24 days.`);
  }
  throwIfAborted(signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await abortable(waited, signal);
  } finally {
    clearTimeout(timer);
  }
}
