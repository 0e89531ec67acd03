import { BackendError } from "@corenet/core";
import type { WorkerHandle, WorkerOptions } from "@corenet/core/platform";
import type { EncoderTile } from "./encoder.ts";
import { workerSource } from "./worker-source.ts";

/** Tiles that a worker has at once: the next lies ready when it has done one. */
const TILES_AHEAD = 2;

interface Job {
  readonly tile: EncoderTile;
  /** Jobs of one owner are cancelled together. */
  readonly owner: object;
  resolve(codes: ArrayBuffer): void;
  reject(reason: unknown): void;
}

interface Slot {
  readonly worker: WorkerHandle;
  /** What it was sent and has not answered, in this order. */
  readonly jobs: Job[];
}

export interface WorkerPoolOptions {
  readonly module: WebAssembly.Module;
  readonly workers: number;
  readonly workerUrl: string | URL | undefined;
  /** `startWorker`, or what a test puts in its place. */
  readonly start: (options: WorkerOptions) => WorkerHandle | undefined;
}

/**
 * Workers that code tiles. They start when there is work, and stay until `stop`. Which worker codes a tile, and when,
 * has no bearing on the codes.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #queue: Job[] = [];
  #slots: Slot[] = [];
  #starting: Promise<boolean> | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Starts the workers where they are not. Resolves to false where this runtime, or its policy, has none. */
  start(): Promise<boolean> {
    this.#starting ??= this.#startAll();
    return this.#starting;
  }

  /**
   * The codes of a tile.
   *
   * @throws BackendError when a worker fails or none starts; all workers end then
   */
  run(tile: EncoderTile, owner: object): Promise<ArrayBuffer> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ tile, owner, resolve, reject });
      this.#work();
    });
  }

  /** Drops the jobs of an owner without an answer and ends all workers; jobs of others begin anew on new ones. */
  async cancel(owner: object): Promise<void> {
    const jobs = await this.#halt();
    this.#queue.push(...jobs.filter((job) => job.owner !== owner));
    this.#work();
  }

  /** Ends all workers. Resolves when they are gone. */
  stop(): Promise<void> {
    return this.#fail("the search was disposed");
  }

  async #startAll(): Promise<boolean> {
    const { workers, workerUrl } = this.#options;
    for (const url of workerUrl === undefined ? [undefined] : [workerUrl, undefined]) {
      const slots = await Promise.all(Array.from({ length: workers }, (_, i) => this.#startOne(i, url)));
      this.#slots = slots.filter((slot) => slot !== undefined);
      if (this.#slots.length > 0) return true;
    }
    return false;
  }

  /** One worker, once it has linked the module; undefined where it does not come so far. */
  #startOne(number: number, url: string | URL | undefined): Promise<Slot | undefined> {
    return new Promise((resolve) => {
      const jobs: Job[] = [];
      let isStarted = false;
      const worker = this.#options.start({
        source: workerSource,
        url,
        name: `lfsr-encoder-${number}`,
        onMessage: (message) => {
          const { codes } = message as { codes?: ArrayBuffer };
          if (codes) {
            jobs.shift()?.resolve(codes);
            this.#send();
          } else if (worker) {
            isStarted = true;
            resolve({ worker, jobs });
          }
        },
        onFailure: (reason) => {
          if (isStarted) void this.#fail(`worker ${number} of ${this.#options.workers} failed (${reason})`);
          else resolve(undefined);
        },
      });
      if (worker) worker.send({ module: this.#options.module });
      else resolve(undefined);
    });
  }

  /** Sees to it that the queue gets done. */
  #work(): void {
    if (this.#queue.length === 0) return;
    void this.start().then((isStarted) => {
      if (isStarted) this.#send();
      else void this.#fail("no worker starts any more");
    });
  }

  #send(): void {
    for (let ahead = 0; ahead < TILES_AHEAD; ahead++) {
      for (const { worker, jobs } of this.#slots) {
        const job = jobs.length === ahead && this.#queue.shift();
        if (!job) continue;
        jobs.push(job);
        worker.send({ tile: job.tile });
      }
    }
  }

  /** Ends all workers; returns what they had not done, and what waited for them. */
  async #halt(): Promise<Job[]> {
    const starting = this.#starting;
    this.#starting = undefined;
    await starting;
    const slots = this.#slots;
    this.#slots = [];
    await Promise.all(slots.map(({ worker }) => worker.terminate()));
    return [...slots.flatMap(({ jobs }) => jobs), ...this.#queue.splice(0)];
  }

  async #fail(reason: string): Promise<void> {
    const jobs = await this.#halt();
    const error = new BackendError(
      `lfsr encoder: ${reason} with ${jobs.length} tiles to code. ` +
        "Encode again, with fewer workers if memory is short, or with workers: 0 to stay on this thread.",
    );
    for (const job of jobs) job.reject(error);
  }
}
