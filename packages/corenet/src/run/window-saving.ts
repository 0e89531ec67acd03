import { Rng } from "@corenet/core";
import { decoderCost } from "@corenet/multiscale-sampler";
import { openElmConfig } from "@corenet/openelm";
import type { RunSettings } from "./settings.ts";
import { longestKnown, scaleShares, windowScales } from "./window-scales.ts";

/** What the windows of a run cost, against windows that are all as long as the longest, for as many bytes. */
export interface WindowSaving {
  /** In bytes. */
  readonly longest: number;
  /** Of forward and backward, in all steps. */
  readonly flops: number;
  /** The same with the longest windows throughout. */
  readonly longestFlops: number;
  /** `1 - flops / longestFlops` */
  readonly saving: number;
  /** The same of time, as measured before the training; null where nothing was. */
  readonly timeSaving: number | null;
}

const PASSES = 3; // forward, and backward of twice its cost

/** Adds up the steps of a run as they are drawn, by the FLOPs of its model. */
export function windowSaving({ model, training, seed, calibration }: RunSettings): WindowSaving {
  const cost = decoderCost(openElmConfig(model));
  const scaleAt = windowScales(training, new Rng(seed));
  const longest = longestKnown(training.steps, training);
  let [flops, bytes, ms] = [0, 0, 0];
  for (let step = 0; step < training.steps; step++) {
    const { length, batchSize } = scaleAt(step);
    flops += PASSES * batchSize * cost({ length });
    bytes += batchSize * length;
    ms += calibration?.lengthMs[length] ?? 0;
  }
  const longestFlops = (PASSES * bytes * cost({ length: longest })) / longest;
  const batch = scaleShares(training.sequences).find(({ length }) => length === longest)?.batchSize ?? 1;
  const longestMs = (bytes / (batch * longest)) * (calibration?.lengthMs[longest] ?? 0);
  return {
    longest,
    flops,
    longestFlops,
    saving: 1 - flops / longestFlops,
    timeSaving: longestMs > 0 ? 1 - ms / longestMs : null,
  };
}

/** "7.1 % fewer FLOPs than windows of 256 bytes throughout, and 9 % less time by …" */
export function describeSaving({ longest, saving, timeSaving }: WindowSaving): string {
  const percent = (part: number) => `${(100 * Math.abs(part)).toFixed(1)} %`;
  const flops = `${percent(saving)} ${saving >= 0 ? "fewer" : "more"} FLOPs than windows of ${longest} bytes throughout`;
  if (timeSaving === null) return flops;
  return `${flops}; ${percent(timeSaving)} ${timeSaving >= 0 ? "less" : "more"} time, as measured before the training`;
}
