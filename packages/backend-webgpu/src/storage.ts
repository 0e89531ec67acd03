// The one file that casts between TensorFlow.js's contract for backends and ours.
import { OutOfMemoryError } from "@corenet/core";
import type { DataOf, DType } from "@corenet/tensor";
import type { TensorInfo } from "@corenet/tensor/host";
import { DataStorage, engine, KernelBackend, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import type { PooledBuffer } from "./buffer-pool.ts";
import type { Recorder } from "./recorder.ts";

type Values = DataOf[DType];

interface Entry {
  readonly dtype: DType;
  readonly byteLength: number;
  /** The values that came from outside, as long as they are small and nothing has overwritten them. */
  values: Values | null;
  buffer: PooledBuffer | null;
  refCount: number;
}

const KEPT = 2 ** 16; // elements: what may be looked at without waiting, such as ids

/**
 * The tensors of one device, as TensorFlow.js wants its backends. Nothing here waits for the GPU: a tensor that lives
 * there can be read with `await` alone.
 */
export class GpuStorage extends KernelBackend {
  readonly recorder: Recorder;
  readonly #entries: DataStorage<Entry>;

  constructor(recorder: Recorder) {
    super();
    this.recorder = recorder;
    this.#entries = new DataStorage<Entry>(this, engine());
  }

  override write(values: object | null, shape: number[], dtype: string): { id: number } {
    const dataId = { id: 0 };
    this.#put(dataId, values as Values | null, shape, dtype as DType, 1);
    return dataId;
  }

  override move(dataId: object, values: object, shape: number[], dtype: string, refCount: number): void {
    this.#put(dataId, values as Values, shape, dtype as DType, refCount);
  }

  #put(
    dataId: object,
    values: Values | null,
    shape: readonly number[],
    dtype: DType,
    refCount: number,
  ): void {
    this.recorder.failures.check();
    const size = shape.reduce((product, side) => product * side, 1);
    const byteLength = size * 4;
    const limit = this.recorder.device.limits.maxStorageBufferBindingSize;
    if (byteLength > limit) {
      throw new OutOfMemoryError(
        `webgpu: a tensor of shape [${shape.join(", ")}] takes ${byteLength} bytes, this device holds at most ${limit} in one. Split it.`,
        { requestedBytes: byteLength },
      );
    }
    const entry: Entry = { dtype, byteLength, values: null, buffer: null, refCount };
    if (values && size <= KEPT) entry.values = values.slice();
    else if (values) entry.buffer = this.#upload(values);
    this.#entries.set(dataId, entry);
  }

  #upload(values: Values): PooledBuffer {
    const { device, pool } = this.recorder;
    const words = values instanceof Uint8Array ? Uint32Array.from(values) : values;
    const pooled = pool.acquire(words.byteLength, { untouched: true });
    if (words.length > 0) {
      device.queue.writeBuffer(
        pooled.buffer,
        0,
        words.buffer as ArrayBuffer,
        words.byteOffset,
        words.byteLength,
      );
    }
    return pooled;
  }

  /** A tensor that a kernel is going to write. */
  output(shape: readonly number[], dtype: DType): TensorInfo {
    return { dataId: this.write(null, [...shape], dtype), shape: [...shape], dtype };
  }

  /** The buffer of a tensor that a program reads. */
  bufferOf(dataId: object): PooledBuffer {
    const entry = this.#entries.get(dataId);
    if (!entry.buffer) {
      entry.buffer = entry.values ? this.#upload(entry.values) : this.recorder.pool.acquire(entry.byteLength);
    }
    return entry.buffer;
  }

  /** The buffer of a tensor that a program writes. */
  bufferToWrite(dataId: object): PooledBuffer {
    const buffer = this.bufferOf(dataId);
    this.#entries.get(dataId).values = null;
    return buffer;
  }

  /** What a tensor was made of, where that is still known. Not to be written to. */
  valuesAtHand(dataId: object): Values | null {
    return this.#entries.get(dataId).values;
  }

  override async read(dataId: object): Promise<Values> {
    const { failures, recorder } = { failures: this.recorder.failures, recorder: this.recorder };
    failures.check();
    const entry = this.#entries.get(dataId);
    if (entry.values) return entry.values.slice();
    if (entry.byteLength === 0) return typed(new ArrayBuffer(0), entry.dtype);
    let bytes: ArrayBuffer;
    try {
      bytes = await recorder.download(this.bufferOf(dataId), entry.byteLength);
    } catch (error) {
      await failures.settle();
      failures.check(); // why it failed
      throw error;
    }
    await failures.settle();
    failures.check();
    return typed(bytes, entry.dtype);
  }

  override readSync(dataId: object): Values {
    const { values } = this.#entries.get(dataId);
    if (values) return values.slice();
    throw new TypeError(
      "webgpu: a tensor lives on the GPU, which cannot be read at once. Read it with `await readData(tensor)`, and make a new one of the values for another backend.",
    );
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#entries.has(dataId)) return true;
    const entry = this.#entries.get(dataId);
    entry.refCount = force ? 0 : entry.refCount - 1;
    if (entry.refCount > 0) return false;
    if (entry.buffer) this.recorder.pool.release(entry.buffer);
    this.#entries.delete(dataId);
    return true;
  }

  override incRef(dataId: object): void {
    this.#entries.get(dataId).refCount++;
  }

  override refCount(dataId: object): number {
    return this.#entries.has(dataId) ? this.#entries.get(dataId).refCount : 0;
  }

  override numDataIds(): number {
    return this.#entries.numDataIds();
  }

  override memory(): { unreliable: false; numBytesInGPU: number; numBytesAllocatedInGPU: number } {
    const { used, allocated } = this.recorder.pool.bytes;
    return { unreliable: false, numBytesInGPU: used, numBytesAllocatedInGPU: allocated };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {
    this.recorder.device.destroy();
  }
}

function typed(bytes: ArrayBuffer, dtype: DType): Values {
  if (dtype === "float32") return new Float32Array(bytes);
  return dtype === "int32" ? new Int32Array(bytes) : Uint8Array.from(new Uint32Array(bytes));
}

/** Makes `storage` the backend that TensorFlow.js knows as webgpu, in the place of an earlier one. */
export function registerStorage(storage: GpuStorage): void {
  if (engine().registryFactory.webgpu) removeBackend("webgpu");
  registerBackend("webgpu", () => storage, 3);
}
