import type { TrainingPlan } from "./plan-training.ts";
import type { Scale } from "./scale.ts";
import { scaleName } from "./scale-name.ts";

/** The plan as text: the scales of the last epoch, and the totals against the baseline. */
export function planTable<S extends Scale>(plan: TrainingPlan<S>): string {
  const { epochs } = plan;
  const last = epochs[epochs.length - 1];
  const rows = (last?.scales ?? []).map(({ scale, sampleShare, batchCost }) => [
    scaleName(scale),
    String(scale.batchSize),
    percent(sampleShare),
    batchCost.toFixed(2),
  ]);
  const totals = [
    ["updates", grouped(plan.updates), grouped(plan.baselineUpdates), percent(1 - plan.updatesRatio)],
    ["FLOPs", plan.flops.toExponential(2), plan.baselineFlops.toExponential(2), percent(plan.saving)],
  ];
  return [
    epochs.length > 1 ? `scales of the last of ${epochs.length} epochs` : "scales of one epoch",
    ...aligned([["", "batch", "samples", "cost of a batch"], ...rows]),
    "",
    "expected on each rank",
    ...aligned([["", "planned", "one scale", "saved"], ...totals]),
    "",
    `The dearest batch costs ${plan.peakRatio.toFixed(2)} times one of the single scale.`,
  ].join("\n");
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

/** 1234567 as "1 234 567". */
function grouped(value: number): string {
  return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, " ");
}

function aligned(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
