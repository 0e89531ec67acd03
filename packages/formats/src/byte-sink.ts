/** Where bytes go, one after the other. Await each call before the next; end with `close` or `abort`. */
export interface ByteSink {
  /** Name for error texts. */
  readonly name: string;
  /** Takes all of `chunk`; the caller may change it once this resolves. */
  write(chunk: Uint8Array): Promise<void>;
  /** Completes the output. Only now does it exist for others. */
  close(): Promise<void>;
  /** Gives up: nothing remains of the output. Does nothing after `close` or another `abort`. */
  abort(reason?: unknown): Promise<void>;
}
