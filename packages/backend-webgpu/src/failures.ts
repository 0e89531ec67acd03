import { type BackendError, DeviceLostError, GpuError, OutOfMemoryError } from "@corenet/core";

/**
 * What went wrong on a device, which says so only later: kept until somebody reads or computes, and thrown there.
 */
export class Failures {
  readonly #pending = new Set<Promise<void>>();
  #waiting: BackendError | OutOfMemoryError | null = null;
  #lost: DeviceLostError | null = null;
  /** Failures thrown. What was asked of the device before the last of them fails with it, and is not told again. */
  #thrown = 0;
  readonly #endBatch: () => void;

  /** @param endBatch - submits what is recorded, so that it does not share its fate with what comes after a throw */
  constructor(device: GPUDevice, endBatch: () => void) {
    this.#endBatch = endBatch;
    device.lost.then(
      ({ message, reason }) => {
        const how = reason === "destroyed" ? "was disposed" : "was lost";
        this.#lost = new DeviceLostError(
          `webgpu: the device ${how}${message ? ` (${message.trim()})` : ""}, and its tensors with it. ` +
            "Call useBackend(webgpu()) again and load the tensors anew.",
        );
      },
      () => {},
    );
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // no line on the console: it is thrown instead
      this.#note(event.error, "a command");
    });
  }

  /** Waits for the scopes that `watch` opened. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /**
   * Catches what `work` makes the device refuse.
   *
   * @param who - what was done, for the error message
   * @param onFailure - called when it is known
   */
  watch<T>(device: GPUDevice, who: string, work: () => T, onFailure?: () => void): T {
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    try {
      return work();
    } finally {
      this.#await(device.popErrorScope(), who, onFailure);
      this.#await(device.popErrorScope(), who, onFailure);
    }
  }

  #await(scope: Promise<GPUError | null>, who: string, onFailure: (() => void) | undefined): void {
    const thrown = this.#thrown;
    const noted = scope.then(
      (error) => {
        this.#pending.delete(noted);
        if (!error) return;
        onFailure?.();
        if (thrown === this.#thrown) this.#note(error, who);
      },
      () => {
        this.#pending.delete(noted); // the device is lost, which `lost` says
      },
    );
    this.#pending.add(noted);
  }

  #note(error: GPUError, who: string): void {
    if (this.#waiting) return; // the first is the cause of those after it
    const text = error.message.trim();
    this.#waiting = isOutOfMemory(error)
      ? new OutOfMemoryError(
          `webgpu: the GPU has no room (${text}). Dispose tensors, or use smaller batches.`,
          {
            cause: error,
          },
        )
      : new GpuError(
          `webgpu: the GPU refused ${who}: ${text}. Results since the last read are not to be trusted.`,
          {
            cause: error,
          },
        );
  }

  /** @throws DeviceLostError for good; GpuError or OutOfMemoryError once, of what happened since the last call */
  check(): void {
    if (this.#lost) throw this.#lost;
    const error = this.#waiting;
    if (!error) return;
    this.#waiting = null;
    this.#endBatch();
    this.#thrown++;
    throw error;
  }
}

function isOutOfMemory(error: GPUError): boolean {
  return error.constructor.name === "GPUOutOfMemoryError";
}
