// What a run does when its device is lost or full: the backends it may still go to, and what it takes along.
import { DeviceLostError, OutOfMemoryError } from "@corenet/core";
import {
  type Backend,
  type DataOf,
  type DType,
  readData,
  type Tensor,
  type TensorTree,
  tensor,
  treeEntries,
  treeFromEntries,
  useBackend,
} from "@corenet/tensor";

/** The device is gone, or has no room: what another one may not have to suffer. */
export type DeviceFailure = DeviceLostError | OutOfMemoryError;

export function isDeviceFailure(error: unknown): error is DeviceFailure {
  return error instanceof DeviceLostError || error instanceof OutOfMemoryError;
}

export interface Fallback {
  /**
   * Tried in this order, as by `useBackend`, and each once: [webgpu(), wasm()] goes to a new GPU device after the first
   * loss, and to wasm after the second. When none is left, the run stops.
   */
  fallBackTo: readonly Backend[];
  /**
   * Keeps a copy of the run in memory, off the device, after every so many steps: at most so many are made again. It
   * takes the bytes of a checkpoint. @default none where there is a checkpoint folder, from which the run then goes on;
   * else 100
   */
  snapshotEverySteps?: number;
  /**
   * Called when the next backend is active, before the run goes on; awaited. Tensors that `loss` holds beside its
   * arguments were lost with the device: make them anew here.
   */
  onFallback?: (event: FallbackEvent) => void | Promise<void>;
}

export interface FallbackEvent {
  readonly error: DeviceFailure;
  /** The name of the backend that the run goes on with. */
  readonly backend: string;
}

/** Values of a tensor, off the device. */
interface HostCopy {
  readonly data: DataOf[DType];
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Takes a run's frozen parameters, which no checkpoint holds, from one backend to the next. Dispose it. */
export class Evacuation<P extends TensorTree> {
  readonly #fallback: Fallback;
  readonly #left: Backend[];
  readonly #frozen: ReadonlyMap<string, HostCopy>;
  #made: Tensor[] = [];

  private constructor(fallback: Fallback, frozen: ReadonlyMap<string, HostCopy>) {
    this.#fallback = fallback;
    this.#left = [...fallback.fallBackTo];
    this.#frozen = frozen;
  }

  /** Reads all of `params` but `trainable`. */
  static async prepare<P extends TensorTree>(
    fallback: Fallback,
    params: P,
    trainable: ReadonlySet<string>,
  ): Promise<Evacuation<P>> {
    const frozen = new Map<string, HostCopy>();
    for (const [path, leaf] of treeEntries<Tensor>(params)) {
      if (trainable.has(path)) continue;
      const dtype = leaf.dtype as DType;
      frozen.set(path, { data: await readData(leaf, dtype), shape: leaf.shape, dtype });
    }
    return new Evacuation<P>(fallback, frozen);
  }

  /**
   * Starts the next backend that is left.
   *
   * @returns `params` with its frozen leaves there; borrowed
   * @throws the failure, with the reason of each backend that did not start, when none is left
   */
  async leave(params: P, error: DeviceFailure): Promise<P> {
    const backend = await this.#startNext(error);
    this.dispose();
    const leaves = new Map<string, Tensor>(treeEntries<Tensor>(params));
    for (const [path, { data, shape, dtype }] of this.#frozen) {
      const made = tensor(data, shape, dtype);
      this.#made.push(made);
      leaves.set(path, made);
    }
    await this.#fallback.onFallback?.({ error, backend });
    return treeFromEntries<Tensor, Tensor>(params, leaves) as P;
  }

  async #startNext(error: DeviceFailure): Promise<string> {
    const reasons: string[] = [];
    for (let backend = this.#left.shift(); backend; backend = this.#left.shift()) {
      try {
        return (await useBackend(backend)).name;
      } catch (reason) {
        reasons.push(reason instanceof Error ? reason.message : String(reason));
      }
    }
    throw restated(error, `${error.message} No backend of fallBackTo is left. ${reasons.join(" ")}`.trim());
  }

  dispose(): void {
    for (const leaf of this.#made.splice(0)) leaf.dispose();
  }
}

/** The same kind of failure in other words, the first as its cause. */
export function restated(error: DeviceFailure, message: string): DeviceFailure {
  if (error instanceof DeviceLostError) return new DeviceLostError(message, { cause: error });
  const { requestedBytes } = error;
  return new OutOfMemoryError(message, {
    cause: error,
    ...(requestedBytes === undefined ? {} : { requestedBytes }),
  });
}
