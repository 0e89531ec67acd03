import { Rng } from "@corenet/core";
import { openElmConfig } from "@corenet/openelm";
import * as Plot from "@observablehq/plot";
import type { RunCurve, RunResult } from "../run/result.ts";
import type { ModelSettings, RunSettings } from "../run/settings.ts";
import { describeSaving } from "../run/window-saving.ts";
import { scaleShares, windowScales } from "../run/window-scales.ts";
import { pickEvenly } from "../text/pick-evenly.ts";
import { figure } from "./figure.ts";
import { smooth } from "./smooth.ts";

const mostPoints = 400;
const ours = "var(--ours)";
const theirs = "var(--theirs)";
const faint = "var(--faint)";

/** Loss of every step, smoothed, and what the model reached on held-out text, against the compressors. */
export function lossChart({ curve, heldOut }: RunResult): string {
  const smoothed = smooth(curve.loss, { decay: 1 - 1 / Math.max(5, curve.loss.length / 40) });
  const points = curve.loss.map((loss, i) => ({ step: i + 1, loss, smooth: smoothed[i] as number }));
  const shown = pickEvenly(points, mostPoints);
  const compressors = [
    { name: "gzip -9", bits: heldOut.gzip },
    { name: "brotli 11", bits: heldOut.brotli },
  ].sort((a, b) => b.bits - a.bits); // the name of the upper line stands above it, that of the lower below
  const all = [...shown.map(({ loss }) => loss), ...compressors.map(({ bits }) => bits)];
  const domain = [0.9 * Math.min(...all), Math.max(...all)] as const;
  const ticks = [0.5, 1, 1.5, 2, 3, 4, 6, 8].filter((tick) => tick >= domain[0] && tick <= domain[1]);
  return figure({
    caption:
      "Training loss of each step (thin), smoothed (thick), and bits per byte on a part of the held-out text, at the length " +
      "of window that is being learned (dots). " +
      "Dashed: what compressors reach on all of it.",
    label: "Training loss and held-out bits per byte by step",
    height: 320,
    plot: () => ({
      x: { label: "step" },
      marginBottom: 44,
      y: {
        type: "log",
        label: "bits per byte",
        grid: true,
        domain,
        ticks,
        tickFormat: "~f",
      },
      marks: [
        Plot.lineY(shown, { x: "step", y: "loss", stroke: faint }),
        Plot.lineY(shown, { x: "step", y: "smooth", stroke: ours, strokeWidth: 2.5 }),
        Plot.ruleY(compressors, { y: "bits", stroke: theirs, strokeDasharray: "4 3" }),
        ...compressors.map((one, i) =>
          Plot.text([one], {
            ...{ x: curve.loss.length, y: "bits", text: "name", fill: theirs },
            ...{ textAnchor: "end", dy: i === 0 ? -8 : 9, stroke: "var(--page)", strokeWidth: 4 },
          }),
        ),
        Plot.dot(curve.heldOut, { x: "step", y: "bitsPerByte", fill: ours, stroke: "var(--page)", r: 4.5 }),
      ],
    }),
  });
}

/** Bits per byte of the held-out text, side by side. */
export function bitsChart({ heldOut }: RunResult): string {
  const bars = [
    { name: "this model", bits: heldOut.model, color: ours },
    { name: "brotli 11", bits: heldOut.brotli, color: theirs },
    { name: "gzip -9", bits: heldOut.gzip, color: theirs },
  ];
  return figure({
    caption: `Bits per byte of the ${heldOut.bytes} held-out bytes. Fewer is better.`,
    label: bars.map(({ name, bits }) => `${name} ${bits.toFixed(3)}`).join(", "),
    height: 140,
    plot: () => ({
      marginLeft: 80,
      marginRight: 50,
      x: { axis: null, domain: [0, Math.max(...bars.map(({ bits }) => bits))] },
      y: { label: null, domain: bars.map(({ name }) => name), tickSize: 0 },
      marks: [
        Plot.barX(bars, { x: "bits", y: "name", fill: "color", insetTop: 3, insetBottom: 3 }),
        Plot.text(bars, {
          x: "bits",
          y: "name",
          text: ({ bits }) => bits.toFixed(3),
          textAnchor: "start",
          dx: 6,
        }),
      ],
      color: { type: "identity" },
    }),
  });
}

export function speedChart({ speed }: RunCurve): string {
  return figure({
    caption: "Speed: the mean of the last 20 steps. Dips are other programs on the machine.",
    label: "Tokens per second by step",
    height: 200,
    plot: () => ({
      marginLeft: 50,
      x: { label: "step" },
      marginBottom: 44,
      y: { label: "tokens per second", grid: true, zero: true, nice: true, ticks: 5 },
      marks: [Plot.lineY(speed, { x: "step", y: "tokensPerSecond", stroke: ours, strokeWidth: 2 })],
    }),
  });
}

export function learningRateChart({ learningRate }: RunCurve): string {
  const points = learningRate.map((rate, i) => ({ step: i + 1, rate }));
  return figure({
    caption: "Learning rate: a linear rise, then half a cosine.",
    label: "Learning rate by step",
    height: 200,
    plot: () => ({
      marginLeft: 55,
      x: { label: "step" },
      marginBottom: 44,
      y: { label: "learning rate", grid: true, zero: true, ticks: 5 },
      marks: [
        Plot.lineY(pickEvenly(points, mostPoints), { x: "step", y: "rate", stroke: ours, strokeWidth: 2 }),
      ],
    }),
  });
}

/** Which length each step has, and what that saves. */
export function windowChart({ training, seed }: RunSettings, { windows }: RunResult): string {
  const scaleAt = windowScales(training, new Rng(seed));
  const steps = Array.from({ length: training.steps }, (_, step) => ({ step: step + 1, ...scaleAt(step) }));
  const scales = scaleShares(training.sequences).reverse();
  const batches = scales.map(({ length, batchSize }) => `${batchSize} x ${length}`).join(", ");
  return figure({
    caption: `Bytes in a window at each step, as many in every batch: ${batches}. ${describeSaving(windows)}.`,
    label: "Length of windows by step",
    height: 60 + 26 * scales.length,
    plot: () => ({
      marginLeft: 50,
      marginBottom: 44,
      x: { label: "step" },
      y: { label: "bytes", domain: scales.map(({ length }) => length) },
      marks: [
        Plot.tickX(pickEvenly(steps, mostPoints), {
          x: "step",
          y: "length",
          stroke: ours,
          strokeWidth: 2,
          inset: 3,
        }),
      ],
    }),
  });
}

/** The widths of each layer: layer-wise scaling at a glance. */
export function layerChart(model: ModelSettings): string {
  const { layers, headDim } = openElmConfig(model);
  const kinds = ["queries", "keys and values", "feed-forward"] as const;
  const bars = layers.flatMap(({ numQueryHeads, numKvHeads, ffnDim }, i) => {
    const sizes = [numQueryHeads * headDim, 2 * numKvHeads * headDim, ffnDim];
    return kinds.map((kind, k) => ({ layer: i + 1, kind, width: sizes[k] as number }));
  });
  return figure({
    caption: `Layer-wise scaling: layers grow wider from 1, the first, to ${layers.length}, the last.`,
    label: "Widths of queries, keys and values, and feed-forward in each layer",
    height: 60 + 45 * layers.length,
    plot: () => ({
      marginLeft: 20,
      marginRight: 105,
      fy: { label: null, padding: 0.2 },
      y: { axis: null, domain: kinds },
      x: { label: "width", grid: true },
      color: { domain: kinds, range: ["var(--ours)", "var(--third)", "var(--theirs)"], legend: false },
      marks: [
        Plot.barX(bars, { x: "width", y: "kind", fy: "layer", fill: "kind" }),
        Plot.text(bars, {
          ...{ x: "width", y: "kind", fy: "layer", text: ({ kind, width }) => `${kind} ${width}` },
          ...{ textAnchor: "start", dx: 5, fontSize: 10 },
        }),
      ],
    }),
  });
}
