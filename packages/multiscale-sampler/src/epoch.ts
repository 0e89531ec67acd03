import { checkCount } from "./check.ts";
import type { Scale } from "./scale.ts";

/** Which samples go through the model together, and at which scale: the fields of the scale are fields of the batch. */
export type Batch<S extends Scale> = S & {
  /** Samples, this batch's own copy; `batchSize` is their number. */
  readonly indices: Uint32Array;
  /** From 0. */
  readonly epoch: number;
  /** Its place in the epoch, from 0. */
  readonly step: number;
};

/** What an iterator gives of every kind of sampler. */
export interface AnyBatch {
  readonly indices: Uint32Array;
  readonly epoch: number;
  readonly step: number;
}

/** The batches of one epoch. May be iterated more than once, and gives the same each time. */
export interface Epoch<B extends AnyBatch> extends Iterable<B>, AsyncIterable<B> {
  readonly epoch: number;
  /** Batches in the whole epoch, also where the iteration starts later. */
  readonly length: number;
  /** Samples in the whole epoch, copies included, before the last batch is padded. */
  readonly sampleCount: number;
  /** Samples in all batches of the whole epoch, padding included. */
  readonly paddedCount: number;
}

export interface EpochOptions {
  /** The first batch to give: `batch.step + 1` of the last one that was trained on, to resume. @default 0 */
  fromStep?: number;
}

/** Epochs of batches. */
export interface Sampler<B extends AnyBatch> {
  /** Samples in an epoch, on this rank: copies included, the last batch's padding not. */
  readonly sampleCount: number;
  /**
   * The batches of an epoch: a pure function of the options, the seed and `epoch`.
   * @param epoch - from 0
   * @throws TypeError when `epoch` is not a whole number >= 0
   * @throws RangeError when `fromStep` is not one
   */
  epoch(epoch: number, options?: EpochOptions): Epoch<B>;
}

/** Throws unless both count from 0. */
export function checkEpoch(who: string, epoch: number, fromStep: number): void {
  if (!(Number.isSafeInteger(epoch) && epoch >= 0)) {
    throw new TypeError(`${who}: epoch is ${epoch}, expected a whole number of at least 0. Count from 0.`);
  }
  checkCount(`${who}: fromStep`, fromStep, 0, "Pass the step after the last one that was trained on.");
}

/** Throws where an iteration should start behind the end. */
export function checkStart(who: string, fromStep: number, length: number): void {
  if (fromStep <= length) return;
  throw new RangeError(
    `${who}: fromStep is ${fromStep} in an epoch of ${length} batches, expected at most ${length}. ` +
      "Did the options change since the run was saved?",
  );
}
