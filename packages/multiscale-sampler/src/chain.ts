import {
  type AnyBatch,
  checkEpoch,
  checkStart,
  type Epoch,
  type EpochOptions,
  type Sampler,
} from "./epoch.ts";

/** A batch of one of several tasks; `step` counts through all of them. */
export type TaskBatch<B extends AnyBatch> = B & { readonly task: string };

export interface ChainOptions<B extends AnyBatch> {
  /** A sampler for each task, by its name; the order of the names is the order of the tasks. */
  tasks: Readonly<Record<string, Sampler<B>>>;
  /** One task after the other, or one batch of each in turn until all have run out. @default "sequential" */
  mode?: "sequential" | "interleave";
}

/**
 * A sampler over the samplers of several tasks.
 *
 * @throws RangeError when there are no tasks
 */
export function createChainSampler<B extends AnyBatch>(options: ChainOptions<B>): Sampler<TaskBatch<B>> {
  const { tasks, mode = "sequential" } = options;
  const members = Object.entries(tasks);
  if (members.length === 0) {
    throw new RangeError("createChainSampler: got no tasks. Pass { name: createSampler(…) }.");
  }
  const sampleCount = members.reduce((sum, [, sampler]) => sum + sampler.sampleCount, 0);

  return {
    sampleCount,
    epoch(epoch, { fromStep = 0 }: EpochOptions = {}) {
      checkEpoch("createChainSampler", epoch, fromStep);
      return new ChainEpoch(members, mode, epoch, fromStep, sampleCount);
    },
  };
}

class ChainEpoch<B extends AnyBatch> implements Epoch<TaskBatch<B>> {
  readonly epoch: number;
  readonly sampleCount: number;
  readonly #parts: readonly (readonly [task: string, epoch: Epoch<B>])[];
  readonly #mode: "sequential" | "interleave";
  readonly #fromStep: number;

  constructor(
    members: readonly (readonly [string, Sampler<B>])[],
    mode: "sequential" | "interleave",
    epoch: number,
    fromStep: number,
    sampleCount: number,
  ) {
    this.epoch = epoch;
    this.sampleCount = sampleCount;
    this.#parts = members.map(([task, sampler]) => [task, sampler.epoch(epoch)]);
    this.#mode = mode;
    this.#fromStep = fromStep;
  }

  get length(): number {
    return this.#parts.reduce((sum, [, part]) => sum + part.length, 0);
  }

  get paddedCount(): number {
    return this.#parts.reduce((sum, [, part]) => sum + part.paddedCount, 0);
  }

  *[Symbol.iterator](): Generator<TaskBatch<B>, void, undefined> {
    let step = 0;
    for (const [task, batch] of this.#mode === "sequential" ? this.#oneByOne() : this.#inTurns()) {
      if (step >= this.#fromStep) yield { ...batch, task, step };
      step += 1;
    }
    checkStart("createChainSampler", this.#fromStep, step);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TaskBatch<B>, void, undefined> {
    yield* this[Symbol.iterator]();
  }

  *#oneByOne(): Generator<[string, B]> {
    for (const [task, part] of this.#parts) for (const batch of part) yield [task, batch];
  }

  *#inTurns(): Generator<[string, B]> {
    let alive = this.#parts.map(([task, part]) => ({ task, batches: part[Symbol.iterator]() }));
    while (alive.length > 0) {
      const still: typeof alive = [];
      for (const member of alive) {
        const { done, value } = member.batches.next();
        if (done) continue;
        yield [member.task, value];
        still.push(member);
      }
      alive = still;
    }
  }
}
