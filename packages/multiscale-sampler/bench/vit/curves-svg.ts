import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { VitEpoch } from "./train-vit.ts";

/** All trainings with one sampler, one for each seed. */
export interface SamplerCurves {
  readonly name: string;
  readonly runs: readonly (readonly VitEpoch[])[];
}

const style = `<title>Accuracy over training FLOPs</title>
<style>
svg { background: #fff; color: #1a1c20; font: 12px system-ui, sans-serif; }
.first { stroke: #b45309; fill: #b45309; } .second { stroke: #1f5fd0; fill: #1f5fd0; } text { stroke: none; }
.name text { paint-order: stroke; stroke: #fff; stroke-width: 4px; }
path { fill: none; } .thin path { stroke-width: 1; opacity: 0.4; } .thick path { stroke-width: 2.5; }
@media (prefers-color-scheme: dark) {
  svg { background: #15171b; color: #eceef1; } .name text { stroke: #15171b; }
  .first { stroke: #f0a45d; fill: #f0a45d; } .second { stroke: #7fb0ff; fill: #7fb0ff; }
}
</style>`;

/** Accuracy over the FLOPs that were spent: a thin line for each seed, a thick one for their mean. */
export function curvesSvg([first, second]: readonly [SamplerCurves, SamplerCurves]): string {
  const classes = [
    [first, "first"],
    [second, "second"],
  ] as const;
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const drawing = Plot.plot({
    document,
    width: 680,
    height: 340,
    marginTop: 34,
    marginLeft: 46,
    marginBottom: 46,
    marginRight: 120,
    x: { label: "training FLOPs, 10¹²", nice: true, zero: true },
    y: { label: "accuracy on held-out images, %", grid: true, nice: true },
    marks: classes.flatMap(([{ name, runs }, className]) => {
      const mean = meanCurve(runs);
      return [
        ...runs.map((run) => Plot.line(run.map(pointOf), { ...axes, className: `thin ${className}` })),
        Plot.line(mean, { ...axes, className: `thick ${className}` }),
        Plot.text(mean.slice(-1), {
          ...axes,
          text: () => name,
          textAnchor: "start",
          dx: 8,
          className: `name ${className}`,
        }),
      ];
    }),
  });
  return drawing.outerHTML
    .replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    .replace(/<style>.*?<\/style>/s, style);
}

const axes = { x: "tera", y: "percent" } as const;

interface Point {
  readonly tera: number;
  readonly percent: number;
}

function pointOf({ flops, accuracy }: Pick<VitEpoch, "flops" | "accuracy">): Point {
  return { tera: flops / 1e12, percent: 100 * accuracy };
}

/** Epoch by epoch; the FLOPs of the seeds differ by a little. */
function meanCurve(runs: readonly (readonly VitEpoch[])[]): Point[] {
  const [one = []] = runs;
  return one.map((_, epoch) => {
    const points = runs.map((run) => run[epoch]).filter((point) => point !== undefined);
    const mean = (of: (point: VitEpoch) => number) =>
      points.reduce((sum, point) => sum + of(point) / points.length, 0);
    return pointOf({ flops: mean((point) => point.flops), accuracy: mean((point) => point.accuracy) });
  });
}
