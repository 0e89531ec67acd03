import { checkCount } from "./check.ts";
import { type Batch, checkEpoch, checkStart, type Epoch, type EpochOptions, type Sampler } from "./epoch.ts";
import { checkOrder, type OrderOptions, orderSamples } from "./order.ts";
import { checkRandom, type EpochRandom, epochRandom, type RandomOption } from "./random.ts";
import type { Scale } from "./scale.ts";

/** What a step draws. */
export type Draw<S extends Scale> = (random: EpochRandom, scales: readonly S[]) => S;

export interface SamplerOptions<S extends Scale> extends OrderOptions, RandomOption {
  /** The scales that steps draw from, or those of each epoch. */
  scales: readonly S[] | ((epoch: number) => readonly S[]);
  /**
   * How the last batch is filled: from the epoch's first samples, over and over ("cycle") or at most once, as in the
   * reference ("once"), or not at all ("short"). @default "cycle"
   */
  lastBatch?: "cycle" | "once" | "short";
  /** @default one of the scales, each equally likely */
  draw?: Draw<S>;
}

/**
 * A sampler of batches: each epoch takes the samples in a new order, and each step draws a scale, and so how many of
 * them. On every rank a step has the same scale, and every epoch the same number of steps, without communication.
 *
 * @throws RangeError naming the option that cannot be
 * @see Nunez et al. 2023, arXiv:2309.04502
 */
export function createSampler<S extends Scale>(options: SamplerOptions<S>): Sampler<Batch<S>> {
  const sampleCount = checkOrder("createSampler", options);
  const { length } = scalesOf(options, 0); // a wrong list says so now
  checkRandom("createSampler", options, options.shuffle !== false || length > 1);
  return {
    sampleCount,
    epoch(epoch, { fromStep = 0 }: EpochOptions = {}) {
      checkEpoch("createSampler", epoch, fromStep);
      return new DrawnEpoch(options, epoch, fromStep, sampleCount);
    },
  };
}

function scalesOf<S extends Scale>({ scales }: SamplerOptions<S>, epoch: number): readonly S[] {
  const list = typeof scales === "function" ? scales(epoch) : scales;
  if (list.length === 0) {
    throw new RangeError(`createSampler: got no scales in epoch ${epoch}. Pass fixedScale(…) for one.`);
  }
  for (const { batchSize } of list) checkCount("createSampler: batchSize", batchSize, 1, "Use at least 1.");
  return list;
}

/** Owns the order of one epoch and the scales drawn so far; both come when first asked for. */
class DrawnEpoch<S extends Scale> implements Epoch<Batch<S>> {
  readonly epoch: number;
  readonly sampleCount: number;
  readonly #options: SamplerOptions<S>;
  readonly #fromStep: number;
  readonly #drawn: S[] = [];
  #drawnCount = 0; // samples in the batches drawn so far, padding included
  #order: Uint32Array | undefined;
  #draw: () => S;

  constructor(options: SamplerOptions<S>, epoch: number, fromStep: number, sampleCount: number) {
    this.epoch = epoch;
    this.sampleCount = sampleCount;
    this.#options = options;
    this.#fromStep = fromStep;
    this.#draw = () => this.#start();
  }

  get length(): number {
    while (this.#drawNext());
    return this.#drawn.length;
  }

  get paddedCount(): number {
    const { length, sampleCount } = this;
    if (length === 0) return 0;
    const full = this.#drawnCount - (this.#drawn[length - 1] as S).batchSize;
    return full + this.#size(length - 1, sampleCount - full);
  }

  *[Symbol.iterator](): Generator<Batch<S>, void, undefined> {
    let start = 0;
    let step = 0;
    for (; step < this.#fromStep && this.#has(step); step++) start += (this.#drawn[step] as S).batchSize;
    checkStart("createSampler", this.#fromStep, step);
    for (; this.#has(step); step++) {
      const scale = this.#drawn[step] as S;
      const indices = this.#take(start, this.#size(step, this.sampleCount - start));
      yield { ...scale, batchSize: indices.length, indices, epoch: this.epoch, step };
      start += scale.batchSize;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch<S>, void, undefined> {
    yield* this[Symbol.iterator]();
  }

  #has(step: number): boolean {
    return step < this.#drawn.length || this.#drawNext();
  }

  #drawNext(): boolean {
    if (this.#drawnCount >= this.sampleCount) return false;
    const scale = this.#draw();
    this.#drawn.push(scale);
    this.#drawnCount += scale.batchSize;
    return true;
  }

  #start(): S {
    const { draw = drawUniformly } = this.#options;
    const scales = scalesOf(this.#options, this.epoch);
    const random = epochRandom("createSampler", this.#options, this.epoch);
    this.#order = orderSamples(this.#options, this.epoch, random);
    this.#draw = () => draw(random, scales);
    return this.#draw();
  }

  /** How many samples a step has, where `rest` are left. */
  #size(step: number, rest: number): number {
    const { batchSize } = this.#drawn[step] as S;
    if (rest >= batchSize) return batchSize;
    const { lastBatch = "cycle" } = this.#options;
    if (lastBatch === "short") return rest;
    return lastBatch === "cycle" ? batchSize : Math.min(batchSize, rest + this.sampleCount);
  }

  #take(start: number, size: number): Uint32Array {
    const order = this.#order as Uint32Array; // a drawn step has started the epoch
    if (start + size <= order.length) return order.slice(start, start + size);
    const indices = new Uint32Array(size);
    indices.set(order.subarray(start));
    for (let at = order.length - start; at < size; at += order.length) {
      indices.set(order.subarray(0, Math.min(order.length, size - at)), at);
    }
    return indices;
  }
}

function drawUniformly<S extends Scale>(random: EpochRandom, scales: readonly S[]): S {
  return scales[random.below(scales.length)] as S;
}
