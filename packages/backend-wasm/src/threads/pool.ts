import { BackendError } from "@corenet/core";
import type { WorkerHandle } from "@corenet/core/platform";
import type { PerThread, WasmKernels } from "@corenet/tensor";
import { CONTROL_BYTES, COUNTER, type Control, controlOf, MAX_ARGS } from "./layout.ts";
import { startKernelWorker } from "./worker.ts";

export interface Call {
  readonly module: WebAssembly.Module;
  readonly functions: WasmKernels;
  readonly fn: string;
  readonly tasks: number;
  /** Tasks that are worth a part of their own. */
  readonly grain: number;
  readonly args: readonly (number | PerThread)[];
}

export interface ThreadPoolOptions {
  /** How long a worker may take for its parts after all others are done. @default 20,000 */
  patienceMs?: number;
  /** Where the workers' program is served as a file. @default a blob of it */
  workerUrl?: string | URL | undefined;
}

const PARTS_PER_THREAD = 2; // so that a thread that is held up leaves its second part to the others
const VECTORS = 64; // elements
/** How often the calling thread looks for the last workers before it sleeps: half a millisecond, most parts' length. */
const LOOKS = 100_000;

/**
 * Threads over one shared heap. The calling thread works too; workers join a call when they are awake, so nobody waits
 * for one that starts late, sleeps or has died. Results do not depend on who computes what.
 */
export class ThreadPool {
  readonly threads: number;
  readonly #memory: WebAssembly.Memory;
  readonly #patienceMs: number;
  readonly #workerUrl: string | URL | undefined;
  readonly #control: Control;
  readonly #mayBlock: boolean;
  readonly #workers: WorkerHandle[] = [];
  readonly #modules = new Map<WebAssembly.Module, { number: number; names: string[] }>();
  #failure: string | undefined;
  #allReady: Promise<void> | undefined;

  /** @param threads - the calling one included */
  constructor(memory: WebAssembly.Memory, threads: number, options: ThreadPoolOptions = {}) {
    this.threads = threads;
    this.#patienceMs = options.patienceMs ?? 20_000;
    this.#workerUrl = options.workerUrl;
    this.#memory = memory;
    this.#control = controlOf(new SharedArrayBuffer(CONTROL_BYTES));
    this.#mayBlock = mayBlock(this.#control.counters);
  }

  /**
   * Covers [0, tasks) once, in parts.
   *
   * @throws BackendError when a worker failed in a part, or does not come back
   */
  run(call: Call): void {
    const parts = Math.min(Math.ceil(call.tasks / call.grain), this.threads * PARTS_PER_THREAD);
    const run = call.functions[call.fn];
    if (!run)
      throw new TypeError(`wasm: the kernel module has no "${call.fn}". Build it again: npm run build.`);
    const own = call.args.map((arg) => (typeof arg === "number" ? arg : arg.address));
    if (parts <= 1 || this.#failure !== undefined) {
      run(...own, 0, call.tasks);
      return;
    }
    this.#allReady ??= this.#startWorkers();
    // Elements go in whole vectors, or the last of a part would be computed in another way than in the whole.
    const unit = call.grain >= VECTORS ? VECTORS : 1;
    const size = Math.ceil(call.tasks / parts / unit) * unit;
    const count = Math.ceil(call.tasks / size);
    this.#open(call, count, size);
    try {
      const { counters } = this.#control;
      for (let part = take(counters); part < count; part = take(counters)) {
        run(...own, part * size, Math.min(call.tasks, (part + 1) * size));
      }
    } finally {
      this.#close();
    }
  }

  /** Starts the workers now, and not at the first call that has work for them. Rejects with why one did not start. */
  start(): Promise<void> {
    this.#allReady ??= this.#startWorkers();
    return this.#allReady;
  }

  /** Ends all workers. Calls run on the calling thread from then on. */
  dispose(): void {
    this.#abandon("the pool was disposed");
  }

  /** Ends the workers, so that none writes to the heap any more. */
  #abandon(reason: string): void {
    this.#failure ??= reason;
    for (const worker of this.#workers) void worker.terminate();
    this.#workers.length = 0;
  }

  #startWorkers(): Promise<void> {
    const control = this.#control.counters.buffer;
    const started = Array.from({ length: this.threads - 1 }, (_, i) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onFailure = (reason: string) => {
        this.#failure ??= `a worker failed: ${reason}`;
        reject(new Error(reason));
      };
      const worker = startKernelWorker({ url: this.#workerUrl, onReady: resolve, onFailure });
      if (!worker) {
        onFailure("this runtime starts no workers");
        return promise;
      }
      worker.send({ control, memory: this.#memory, thread: i + 1 });
      for (const [module, { number, names }] of this.#modules)
        worker.send({ module, number, functions: names });
      this.#workers.push(worker);
      return promise;
    });
    const all = Promise.all(started).then(() => {});
    all.catch(() => {}); // who did not ask computes on one thread
    return all;
  }

  #open({ module, fn, tasks, args }: Call, parts: number, size: number): void {
    if (args.length > MAX_ARGS)
      throw new TypeError(`wasm: ${fn} has ${args.length} arguments, expected at most ${MAX_ARGS}.`);
    const { number, names } = this.#register(module);
    const { counters, args: slots, strides } = this.#control;
    args.forEach((arg, i) => {
      slots[i] = typeof arg === "number" ? arg : arg.address;
      strides[i] = typeof arg === "number" ? 0 : arg.stride;
    });
    counters[COUNTER.argCount] = args.length;
    counters[COUNTER.module] = number;
    counters[COUNTER.fn] = names.indexOf(fn);
    counters[COUNTER.tasks] = tasks;
    counters[COUNTER.partSize] = size;
    counters[COUNTER.parts] = parts;
    counters[COUNTER.failed] = 0;
    Atomics.store(counters, COUNTER.next, 0);
    Atomics.add(counters, COUNTER.generation, 1); // odd: open
    Atomics.notify(counters, COUNTER.generation);
  }

  /** Lets no one in any more, and waits for those who are: looks for a while, then leaves the core to them. */
  #close(): void {
    const { counters } = this.#control;
    Atomics.add(counters, COUNTER.generation, 1); // even: closed
    const start = performance.now();
    for (let look = 1; ; look++) {
      const active = Atomics.load(counters, COUNTER.active);
      if (active === 0) break;
      if (look < LOOKS) continue;
      const leftMs = this.#patienceMs - (performance.now() - start);
      if (leftMs <= 0) {
        throw this.#incomplete(`a worker did not come back within ${this.#patienceMs / 1000} s`);
      }
      if (this.#mayBlock) Atomics.wait(counters, COUNTER.active, active, leftMs);
    }
    if (Atomics.load(counters, COUNTER.failed) !== 0) throw this.#incomplete("a worker failed in a kernel");
  }

  #incomplete(reason: string): BackendError {
    this.#abandon(reason);
    return new BackendError(
      `wasm: ${reason}; results are not complete. Go on from the last checkpoint: one thread computes from now on.`,
    );
  }

  #register(module: WebAssembly.Module): { number: number; names: string[] } {
    const known = this.#modules.get(module);
    if (known) return known;
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    const entry = { number: this.#modules.size, names };
    this.#modules.set(module, entry);
    for (const worker of this.#workers) worker.send({ module, number: entry.number, functions: names });
    return entry;
  }
}

function take(counters: Int32Array<SharedArrayBuffer>): number {
  return Atomics.add(counters, COUNTER.next, 1);
}

/** Whether this thread may sleep: in Node and in workers, but not in a page. */
function mayBlock(counters: Int32Array<SharedArrayBuffer>): boolean {
  try {
    Atomics.wait(counters, COUNTER.active, 1, 0); // it is 0, so nothing is waited for
    return true;
  } catch {
    return false;
  }
}
