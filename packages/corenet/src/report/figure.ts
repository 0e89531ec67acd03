import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** Widths in pixels that every figure is drawn for; the page shows the one that fits. */
const widths = { wide: 680, narrow: 340 };

export interface FigureOptions {
  caption: string;
  /** What a screen reader says in place of the drawing. */
  label: string;
  height: number;
  /** The plot for a width in pixels. */
  plot: (width: number) => Plot.PlotOptions;
}

/** A figure as static HTML: SVG without scripts, once for wide and once for narrow windows. */
export function figure({ caption, label, height, plot }: FigureOptions): string {
  const drawings = Object.entries(widths).map(([name, width]) => {
    const { document } = parseHTML("<!doctype html><html><body></body></html>");
    const drawing = Plot.plot({
      ...plot(width),
      width,
      height,
      document,
      className: "plot",
      ariaLabel: label,
    });
    return `<div class="${name}">${drawing.outerHTML}</div>`;
  });
  return `<figure>${drawings.join("")}<figcaption>${caption}</figcaption></figure>`;
}
