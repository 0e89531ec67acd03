import { makeDivisible } from "@corenet/core";
import { checkCount, checkScaleCount } from "./check.ts";
import {
  type CurriculumOptions,
  checkMovingRange,
  curriculumProgress,
  type MovingRange,
  rangeAt,
} from "./curriculum.ts";
import { fitBatch } from "./fit-batch.ts";
import { checkRange } from "./image-sizes.ts";
import type { SequenceScale } from "./scale.ts";
import { linspace } from "./side-list.ts";

export interface SequenceScalesOptions {
  /** Tokens of a sequence in training at one length. */
  baseLength: number;
  /** Sequences in a batch at the base length; so a batch has `baseBatch * baseLength` tokens at every length. */
  baseBatch: number;
  minLength: number;
  maxLength: number;
  /**
   * Which lengths lie between min and max: `count` evenly spaced ones, or the divisor doubled again and again. Where the
   * base is a doubling too, the doublings give every batch exactly as many tokens. @default "even"
   */
  spacing?: "even" | "doubling";
  /** Evenly spaced lengths from min to max; those that round to one are one. @default 5 */
  count?: number;
  /** Every length is a multiple. @default 32 */
  divisor?: number;
  /** Whether the base is in the list always, or only where it lies from min to max. @default "always" */
  includeBase?: "always" | "inRange";
}

/**
 * MSc-VBS for text: lengths vary and the batch with them, so that every batch has as many tokens, at most, as one at the
 * base: `b = max(1, floor(b₀ T₀ / T))`.
 *
 * @returns sorted by length
 * @throws RangeError naming the option that cannot be
 * @see Pouransari et al. 2024, arXiv:2405.13226, for lengths that double
 */
export function sequenceScales(options: SequenceScalesOptions): SequenceScale[] {
  const { baseLength, baseBatch, minLength, maxLength, count = 5, divisor = 32 } = options;
  const { includeBase = "always", spacing = "even" } = options;
  for (const [name, value] of Object.entries({ baseLength, baseBatch, minLength, maxLength, divisor })) {
    checkCount(`sequenceScales: ${name}`, value, 1, "Pass a whole number.");
  }
  checkScaleCount("sequenceScales: count", count);
  checkRange("sequenceScales: ", "length", minLength, maxLength, divisor);

  const lengths =
    spacing === "doubling" ? doublings(divisor, minLength, maxLength) : linspace(minLength, maxLength, count);
  if (includeBase === "always" || (minLength <= baseLength && baseLength <= maxLength))
    lengths.push(baseLength);
  const rounded = new Set(lengths.map((length) => makeDivisible(length, divisor)));
  return [...rounded]
    .sort((a, b) => a - b)
    .map((length) => ({ length, batchSize: fitBatch(baseBatch * baseLength, length) }));
}

/** `divisor` times 1, 2, 4, …: those from `min` to `max`, or where none is, the largest below. */
function doublings(divisor: number, min: number, max: number): number[] {
  let largest = divisor;
  while (2 * largest <= max) largest *= 2;
  const lengths = [largest];
  for (let length = largest / 2; length >= Math.max(min, divisor); length /= 2) lengths.unshift(length);
  return lengths;
}

export interface CurriculumSequencesOptions
  extends Omit<SequenceScalesOptions, "minLength" | "maxLength">,
    CurriculumOptions {
  startMinLength: number;
  startMaxLength: number;
  endMinLength: number;
  endMaxLength: number;
}

/**
 * `sequenceScales` with a range that grows over the training, short first; the base only where it lies in the range,
 * unless `includeBase` is "always".
 *
 * @returns the scales of an epoch, for `createSampler`
 * @throws RangeError naming the option that cannot be
 */
export function curriculumSequences(options: CurriculumSequencesOptions): (epoch: number) => SequenceScale[] {
  const { divisor = 32, includeBase = "inRange" } = options;
  const range: MovingRange = {
    startMin: options.startMinLength,
    startMax: options.startMaxLength,
    endMin: options.endMinLength,
    endMax: options.endMaxLength,
    divisor,
  };
  checkMovingRange("curriculumSequences", "length", range);

  const scalesAt = (epoch: number) => {
    const { min, max } = rangeAt(curriculumProgress(epoch, options), range);
    return sequenceScales({ ...options, divisor, includeBase, minLength: min, maxLength: max });
  };
  scalesAt(0); // wrong options say so now
  return scalesAt;
}
