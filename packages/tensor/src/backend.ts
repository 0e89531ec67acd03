import { BackendError } from "@corenet/core";
import { checkTfjs } from "./check-tfjs.ts";
import { loadKernelsOf } from "./kernel-registry.ts";
import { activateBackend, activeBackendName, readTensorSync } from "./raw.ts";
import type { DataOf, DType, Tensor } from "./types.ts";

/** What a backend is before it runs: a value that says how to start it. */
export interface Backend {
  readonly name: string;
  /** Starts the device and registers it with TensorFlow.js under `name`. */
  start(): Promise<RunningBackend>;
}

/** A started backend: the mechanisms that kernels build on. */
export interface RunningBackend {
  readonly name: string;
  /** Whether tensors can be read without waiting: cpu and wasm. */
  readonly readsAtOnce: boolean;
  /**
   * Where tensors cannot be read without waiting: the values that this tensor came from, while they are still at hand,
   * else null. Arguments are checked where they can be looked at.
   */
  readonly valuesAtHand?: (tensor: Tensor) => DataOf[DType] | null;
  readonly wasm?: WasmHost;
  readonly webgpu?: WebGpuHost;
  /** Frees the device and every tensor on it. `useBackend` may start it again. */
  readonly dispose?: () => void;
}

/** A kernel module's functions: numbers in, a number or nothing out. Tensors travel as addresses. */
export interface WasmKernels {
  readonly [name: string]: (...args: number[]) => number;
}

/** One kernel module in two builds, base64, each fetched only where it is the one to use. */
export interface WasmModuleSource {
  relaxed(): Promise<{ default: string }>;
  simd(): Promise<{ default: string }>;
}

/** An argument of which each thread has its own: the first at `address`, the next `stride` bytes further. */
export interface PerThread {
  readonly address: number;
  readonly stride: number;
}

export interface ParallelWork {
  readonly tasks: number;
  /** As many tasks as take some ten microseconds: less is not worth handing over. */
  readonly grain: number;
}

/** WebAssembly on TensorFlow.js's own heap, so that kernels work on tensors in place. */
export interface WasmHost {
  readonly memory: WebAssembly.Memory;
  /** Threads that large ops are shared among, the calling one included. */
  readonly threads: number;
  /** The byte address of a tensor's first element. Moves never, dies with the tensor. */
  address(tensor: Tensor): number;
  /** A new tensor whose memory is NOT zeroed. */
  output(shape: readonly number[], dtype: DType): Tensor;
  /**
   * Room for a kernel's own use, 16-byte aligned, valid until the next call of `scratch`: `bytes` for each thread. Pass
   * it to `parallel` as it is, or its `address` to a kernel that one thread runs.
   * @throws OutOfMemoryError when the heap is exhausted
   */
  scratch(bytes: number): PerThread;
  /** The build of a module that this machine runs best. */
  compile(source: WasmModuleSource): Promise<WebAssembly.Module>;
  instantiate(module: WebAssembly.Module): WasmKernels;
  /**
   * Calls `kernels[fn](...args, begin, end)` so that [0, tasks) is covered once, by several threads where that pays.
   * Ranges must not depend on each other.
   */
  parallel(kernels: WasmKernels, fn: string, work: ParallelWork, ...args: (number | PerThread)[]): void;
}

/**
 * A loader that compiles a module once for each host: every kernel of a package shares the instance.
 */
export function moduleLoader(source: WasmModuleSource): (host: WasmHost) => Promise<WasmKernels> {
  const loaded = new WeakMap<WasmHost, Promise<WasmKernels>>();
  return (host) => {
    const kernels = loaded.get(host) ?? host.compile(source).then((module) => host.instantiate(module));
    loaded.set(host, kernels);
    return kernels;
  };
}

/**
 * A compute shader. It is compiled once for each distinct text, so numbers that change go into `uniforms`, and only
 * what the compiler should know into the code.
 */
export interface WgslProgram {
  /** Stands in error messages. */
  readonly name: string;
  /** The tensors that it reads: an array's name in the code, and what it holds: f32, i32, u32, vec4<f32>. A bool is a u32. */
  readonly reads: Readonly<Record<string, string>>;
  /** The tensors that it writes, and may read. */
  readonly writes: Readonly<Record<string, string>>;
  /** Numbers that each run is given: `u.name` in the code. */
  readonly uniforms?: Readonly<Record<string, "u32" | "i32" | "f32">>;
  /** Invocations in a workgroup, at most 256; `WORKGROUP` in the code. */
  readonly workgroupSize: number;
  /** Extensions of WGSL that the code needs, of those in `WebGpuHost.features`. */
  readonly enable?: readonly ("subgroups" | "f16")[];
  /**
   * For programs that look things up: what they check, as in "gather: an id". The code calls
   * `outOfRange(id: i32, count: u32)` where one is not in [0, count), and the next read throws it as a RangeError.
   */
  readonly checks?: string;
  /**
   * WGSL that declares `fn main(group: u32, local: u32)`: invocation `local` of workgroup `group`, counted in one
   * dimension without a limit. Arrays may be longer than their tensors: check indices against uniforms.
   */
  readonly code: string;
}

export interface WgslRun {
  readonly workgroups: number;
  readonly uniforms?: Readonly<Record<string, number>>;
}

/** Compute shaders on TensorFlow.js's tensors. */
export interface WebGpuHost {
  /** What the device can do beside the core of WGSL, such as `subgroups` or `shader-f16`. */
  readonly features: ReadonlySet<string>;
  readonly limits: {
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxComputeInvocationsPerWorkgroup: number;
    readonly maxBufferSize: number;
    readonly maxStorageBufferBindingSize: number;
  };
  /** What the GPU says that it is; empty where the browser keeps it to itself. */
  readonly adapter: string;
  /** A new tensor whose memory is NOT zeroed. */
  output(shape: readonly number[], dtype: DType): Tensor;
  /**
   * Records a run of `program`. Runs take effect in their order; nothing waits for them. A tensor that is written must
   * not be read under a second name.
   *
   * @param tensors - one for each name in `reads` and `writes`
   * @throws DeviceLostError or GpuError when something recorded earlier failed
   */
  run(program: WgslProgram, tensors: Readonly<Record<string, Tensor>>, run: WgslRun): void;
}

let running: RunningBackend | null = null;

/** The backend that `useBackend` started last. */
export function activeBackend(): RunningBackend {
  const name = activeBackendName();
  if (running && running.name === name) return running;
  throw new BackendError(
    name === null
      ? "activeBackend: no backend is active. Call `await useBackend(wasm())` first, with wasm from @corenet/backend-wasm."
      : `activeBackend: TensorFlow.js runs "${name}", which useBackend did not start. Call useBackend instead of tf.setBackend.`,
  );
}

/** The active backend, or null where none was started yet. */
export function currentBackend(): RunningBackend | null {
  return running && running.name === activeBackendName() ? running : null;
}

/** The values of a tensor where nothing has to be waited for, else null. */
export function valuesAtOnce(tensor: Tensor): DataOf[DType] | null {
  const backend = currentBackend();
  if (backend?.readsAtOnce) return readTensorSync(tensor);
  return backend?.valuesAtHand?.(tensor) ?? null;
}

const startLimitMs = 30_000;

/**
 * Starts the first backend that this machine can run, loads the kernels of the ops declared so far, and makes
 * it the active one. Tensors of an earlier backend stay readable.
 *
 * @param candidates - in the order of preference: `await useBackend(wasm(), cpu())`
 * @throws BackendError when none starts, with each one's reason
 */
export async function useBackend(...candidates: readonly Backend[]): Promise<RunningBackend> {
  if (candidates.length === 0) {
    throw new BackendError("useBackend: got no backend, expected at least one. Pass wasm() or cpu().");
  }
  checkTfjs();
  const reasons: string[] = [];
  const causes: unknown[] = [];
  for (const candidate of candidates) {
    try {
      checkCandidate(candidate);
      const started = await withinLimit(candidate.start(), candidate.name);
      if (!(await activateBackend(candidate.name))) {
        throw new BackendError(
          `TensorFlow.js could not make "${candidate.name}" active. Is another copy of it loaded?`,
        );
      }
      running = started; // only here: one that starts after its time is up must not take over
      await loadKernelsOf(started);
      return started;
    } catch (error) {
      causes.push(error);
      reasons.push(`${candidate?.name ?? "?"}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new BackendError(`useBackend: no backend started.\n  ${reasons.join("\n  ")}`, {
    cause: causes.length === 1 ? causes[0] : new AggregateError(causes),
  });
}

function checkCandidate(candidate: Backend): void {
  if (typeof candidate?.start === "function") return;
  const saw = typeof candidate === "function" ? "a function" : JSON.stringify(candidate);
  throw new TypeError(
    `expected a backend such as wasm(), got ${saw}. ` +
      "Import the factory from @corenet/backend-wasm, -webgpu or -cpu and call it.",
  );
}

async function withinLimit<T>(work: Promise<T>, name: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new BackendError(`${name} did not start within ${startLimitMs / 1000} s.`)),
      startLimitMs,
    );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
