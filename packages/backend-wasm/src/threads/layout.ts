// What the main thread and its workers share beside the heap: a few counters, and the arguments of the call at hand.

/** Places in the counters, an Int32Array. */
export const COUNTER = {
  /** Odd while a call is open to workers; each call takes two. */
  generation: 0,
  /** The next part that nobody has taken. */
  next: 1,
  /** Workers that take part in the open call. */
  active: 2,
  /** Not 0 once a worker failed in the open call. */
  failed: 3,
  /** Parts of the call. */
  parts: 4,
  /** Tasks in each part. */
  partSize: 5,
  /** Tasks of the call. */
  tasks: 6,
  /** Number of the module, of its function, and of the arguments. */
  module: 7,
  fn: 8,
  argCount: 9,
} as const;

export const COUNTERS = 16;
export const MAX_ARGS = 32;
/** The counters; then the arguments in float64; then what each argument grows by from thread to thread. */
export const CONTROL_BYTES = COUNTERS * 4 + MAX_ARGS * 8 * 2;

export interface Control {
  readonly counters: Int32Array<SharedArrayBuffer>;
  readonly args: Float64Array<SharedArrayBuffer>;
  readonly strides: Float64Array<SharedArrayBuffer>;
}

export function controlOf(buffer: SharedArrayBuffer): Control {
  return {
    counters: new Int32Array(buffer, 0, COUNTERS),
    args: new Float64Array(buffer, COUNTERS * 4, MAX_ARGS),
    strides: new Float64Array(buffer, COUNTERS * 4 + MAX_ARGS * 8, MAX_ARGS),
  };
}
