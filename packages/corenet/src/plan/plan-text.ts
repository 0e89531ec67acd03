import { Rng } from "@corenet/core";
import {
  type CostFunction,
  curriculumSequences,
  planTraining,
  type SequenceScale,
  sequenceScales,
  stepScales,
} from "@corenet/multiscale-sampler";
import { type BatchPlan, type RangeOptions, type SamplerName, samplerTitles } from "./batch-plan.ts";

export interface PlanTextOptions extends RangeOptions {
  sampler: Exclude<SamplerName, "fixed-batch">;
  /** Of the whole training. */
  tokens: number;
  spacing: "even" | "doubling";
  cost: CostFunction<{ readonly length: number }>;
  seed: number;
}

/** Plans a training on text in sequences of changing length. @throws RangeError naming the option that cannot be */
export function planText(options: PlanTextOptions): BatchPlan {
  const { sampler, tokens, epochs, base, batch, cost, seed } = options;
  const scales = scalesOf(options);
  const baseline = [{ length: base, batchSize: batch }];
  const amount = ({ length }: SequenceScale) => length;
  const plan = planTraining({ samples: Math.ceil(tokens / epochs), epochs, scales, baseline, cost, amount });
  const steps = Math.round(plan.updates);
  const scaleAt = stepScales({ steps, epochs, scales, random: new Rng(seed) });
  return {
    title: `${samplerTitles[sampler]}: ${tokens} tokens; one scale: ${batch} x ${base}`,
    plan,
    *steps(epoch) {
      for (let step = 0; step < steps; step++) {
        const now = Math.min(epochs - 1, Math.floor((step * epochs) / steps));
        if (epoch === undefined || epoch === now) yield { ...scaleAt(step), epoch: now };
      }
    },
  };
}

function scalesOf(options: PlanTextOptions): SequenceScale[] | ((epoch: number) => SequenceScale[]) {
  const { sampler, base, batch, min, max, startMax, divisor, count, spacing } = options;
  const common = { baseLength: base, baseBatch: batch, divisor, count, spacing };
  if (sampler === "fixed") return [{ length: base, batchSize: batch }];
  if (sampler === "variable") return sequenceScales({ ...common, minLength: min, maxLength: max });
  const { epochs, growUntil, shape } = options;
  const range = { startMinLength: min, startMaxLength: startMax, endMinLength: min, endMaxLength: max };
  return curriculumSequences({ ...common, ...range, epochs, growUntil, shape });
}
