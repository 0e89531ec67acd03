import { checkCount } from "./check.ts";
import { expectedUpdates } from "./expected-updates.ts";
import type { CostFunction } from "./pixel-cost.ts";
import type { Scale } from "./scale.ts";

/** A forward pass, and a backward pass of twice its cost. */
const PASSES = 3;

export interface PlanOptions<S extends Scale> {
  /** Samples in an epoch, on each rank: `sampler.sampleCount`; or the tokens of a text, with `amount`. */
  samples: number;
  /** @default 1 */
  epochs?: number;
  /** As in `createSampler`. */
  scales: readonly S[] | ((epoch: number) => readonly S[]);
  /** Single-scale training, with which it is compared: `fixedScale(…)`. */
  baseline: readonly S[];
  /** FLOPs of the forward pass of one sample: `vitCost(…)`, `cnnCost(…)`, `decoderCost(…)`, `pixelCost`, or yours. */
  cost: CostFunction<S>;
  /**
   * How much of `samples` one sample of a scale takes: an image is one image at every size, but of a text that is cut to
   * length a short sequence takes less, `({ length }) => length`. @default 1
   */
  amount?: (scale: S) => number;
}

/** One of the scales of an epoch. */
export interface PlannedScale<S extends Scale> {
  readonly scale: S;
  /** Of the samples, in [0, 1]: each step draws one scale in turn, but a larger batch takes more samples. */
  readonly sampleShare: number;
  /** FLOPs of a batch, over those of a batch of the baseline. */
  readonly batchCost: number;
}

/** What is expected of one epoch. */
export interface EpochPlan<S extends Scale> {
  readonly epoch: number;
  readonly scales: readonly PlannedScale<S>[];
  /** ρ: FLOPs for each sample, over those of the baseline. */
  readonly flopsRatio: number;
  /** σ: batches for each sample, over those of the baseline. */
  readonly updatesRatio: number;
  /** Optimizer updates, exactly expected. */
  readonly updates: number;
  /** FLOPs of forward and backward on this rank, the padding of the last batch included. */
  readonly flops: number;
}

/** What is expected of a training. */
export interface TrainingPlan<S extends Scale> {
  readonly epochs: readonly EpochPlan<S>[];
  readonly updates: number;
  readonly flops: number;
  readonly baselineUpdates: number;
  readonly baselineFlops: number;
  /** Mean of the epochs. */
  readonly flopsRatio: number;
  /** Mean of the epochs. */
  readonly updatesRatio: number;
  /** `1 - flopsRatio`: the part of the FLOPs that is saved. */
  readonly saving: number;
  /** The dearest batch, over one of the baseline: memory for activations grows about as much. */
  readonly peakRatio: number;
}

/**
 * What a training will cost, without running it: optimizer updates, FLOPs, and what is saved against a single scale.
 *
 * @throws RangeError when a number or a list cannot be
 * @throws TypeError when `cost` gives no positive number
 */
export function planTraining<S extends Scale>(options: PlanOptions<S>): TrainingPlan<S> {
  const { samples, epochs: count = 1, scales, baseline, cost, amount = () => 1 } = options;
  checkCount("planTraining: samples", samples, 1, "Pass sampler.sampleCount.");
  checkCount("planTraining: epochs", count, 1, "Pass the epochs of the whole training.");
  const [base] = baseline;
  if (!base || baseline.length > 1) {
    throw new RangeError(
      `planTraining: baseline has ${baseline.length} scales, expected one. Pass fixedScale(…).`,
    );
  }
  const measured = (scale: S): Measured => ({
    amount: scale.batchSize * amountOf(amount, scale),
    flops: scale.batchSize * costOf(cost, scale),
  });
  const baseBatch = measured(base);

  const known = new Map<string, EpochPlan<S>>(); // most epochs of a curriculum are alike
  const epochs = Array.from({ length: count }, (_, epoch): EpochPlan<S> => {
    const list = typeof scales === "function" ? scales(epoch) : scales;
    if (list.length === 0)
      throw new RangeError(`planTraining: got no scales in epoch ${epoch}. Pass one or more.`);
    const key = JSON.stringify(list);
    const plan = known.get(key) ?? planEpoch(list, list.map(measured), samples, baseBatch);
    known.set(key, plan);
    return { ...plan, epoch };
  });

  const flopsRatio = mean(epochs.map((epoch) => epoch.flopsRatio));
  const baselineUpdates = Math.ceil(samples / baseBatch.amount) * count;
  return {
    epochs,
    updates: sum(epochs.map((epoch) => epoch.updates)),
    flops: sum(epochs.map((epoch) => epoch.flops)),
    baselineUpdates,
    baselineFlops: PASSES * baselineUpdates * baseBatch.flops,
    flopsRatio,
    updatesRatio: mean(epochs.map((epoch) => epoch.updatesRatio)),
    saving: 1 - flopsRatio,
    peakRatio: Math.max(...epochs.flatMap((epoch) => epoch.scales.map((scale) => scale.batchCost))),
  };
}

/** A batch of a scale. */
interface Measured {
  /** Of the samples. */
  readonly amount: number;
  /** Of the forward pass. */
  readonly flops: number;
}

function planEpoch<S extends Scale>(
  list: readonly S[],
  batches: readonly Measured[],
  samples: number,
  base: Measured,
): EpochPlan<S> {
  const amounts = batches.map((batch) => batch.amount);
  const flops = batches.map((batch) => batch.flops);
  const updates = expectedUpdates(samples, amounts);
  return {
    epoch: 0,
    scales: list.map((scale, i) => ({
      scale,
      sampleShare: (amounts[i] as number) / sum(amounts),
      batchCost: (flops[i] as number) / base.flops,
    })),
    flopsRatio: sum(flops) / sum(amounts) / (base.flops / base.amount),
    updatesRatio: base.amount / mean(amounts),
    updates,
    flops: PASSES * updates * mean(flops), // Wald: the steps stop without knowing the next draw
  };
}

function amountOf<S>(amount: (scale: S) => number, scale: S): number {
  const taken = amount(scale);
  checkCount(
    `planTraining: amount(${JSON.stringify(scale)})`,
    taken,
    1,
    "Count tokens, or leave amount out.",
  );
  return taken;
}

function costOf<S extends Scale>(cost: CostFunction<S>, scale: S): number {
  const flops = cost(scale);
  if (flops > 0 && flops < Infinity) return flops;
  throw new TypeError(
    `planTraining: cost(${JSON.stringify(scale)}) is ${flops}, expected a finite number above 0. Count FLOPs of one sample.`,
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
