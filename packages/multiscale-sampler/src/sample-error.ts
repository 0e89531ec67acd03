import { CorenetError } from "@corenet/core";

/** A sample could not be read. The `cause` is what `get` threw. */
export class SampleError extends CorenetError {
  override readonly name = "SampleError";
  override readonly code = "CORENET_SAMPLE";
  /** Which sample. */
  readonly index: number;
  readonly epoch: number;
  readonly step: number;

  constructor(at: { index: number; epoch: number; step: number }, cause: unknown) {
    const { index, epoch, step } = at;
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `prefetch: sample ${index} failed in epoch ${epoch}, step ${step}: ${reason}. ` +
        "See the cause; resume with epoch and fromStep, or leave the sample out.",
      { cause },
    );
    this.index = index;
    this.epoch = epoch;
    this.step = step;
  }
}
