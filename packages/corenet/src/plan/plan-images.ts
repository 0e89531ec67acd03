import { Rng } from "@corenet/core";
import {
  type CostFunction,
  createSampler,
  curriculumScales,
  fixedBatchScales,
  fixedScale,
  type ImageScale,
  planTraining,
  type Sides,
  variableBatchScales,
} from "@corenet/multiscale-sampler";
import { type BatchPlan, type RangeOptions, type SamplerName, samplerTitles } from "./batch-plan.ts";

export interface PlanImagesOptions extends RangeOptions {
  sampler: SamplerName;
  /** Images in an epoch. */
  samples: number;
  cost: CostFunction<Sides>;
  seed: number;
}

/** Plans a training on images of changing size. @throws RangeError naming the option that cannot be */
export function planImages(options: PlanImagesOptions): BatchPlan {
  const { sampler, samples, epochs, base, batch, cost, seed } = options;
  const scales = scalesOf(options);
  const baseline = fixedScale({ size: base, batchSize: batch });
  const drawn = createSampler({ samples, scales, random: new Rng(seed), shuffle: false }); // the order is not looked at
  return {
    title: `${samplerTitles[sampler]}: ${samples} images, epochs: ${epochs}; one scale: ${batch} of ${base} x ${base}`,
    plan: planTraining({ samples, epochs, scales, baseline, cost }),
    *steps(epoch) {
      const [first, end] = epoch === undefined ? [0, epochs] : [epoch, epoch + 1];
      for (let e = first; e < end; e++) {
        for (const { height, width, batchSize } of drawn.epoch(e))
          yield { height, width, batchSize, epoch: e };
      }
    },
  };
}

function scalesOf(options: PlanImagesOptions): ImageScale[] | ((epoch: number) => ImageScale[]) {
  const { sampler, base, batch, min, max, startMax, divisor, count } = options;
  const common = { baseSize: base, baseBatch: batch, divisor, count };
  if (sampler === "fixed") return fixedScale({ size: base, batchSize: batch });
  if (sampler === "fixed-batch") return fixedBatchScales({ ...common, minSize: min, maxSize: max });
  if (sampler === "variable") return variableBatchScales({ ...common, minSize: min, maxSize: max });
  const { epochs, growUntil, shape } = options;
  const range = { startMinSize: min, startMaxSize: startMax, endMinSize: min, endMaxSize: max };
  return curriculumScales({ ...common, ...range, epochs, growUntil, shape });
}
