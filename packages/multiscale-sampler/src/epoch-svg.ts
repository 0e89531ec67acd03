import { scaleName } from "./scale-name.ts";

/** What a step draws; every batch of a sampler is one. */
export type DrawnStep =
  | { readonly height: number; readonly width: number; readonly epoch: number; readonly batchSize: number }
  | { readonly length: number; readonly epoch: number; readonly batchSize: number };

const WIDTH = 720;
const LEFT = 96;
const RIGHT = 70;
const TOP = 58;
const ROW = 22;
/** Steps share columns where there are more than twice as many. */
const MAX_COLUMNS = 240;
/** Of how much of a column a scale has: enough that neighbours look alike. */
const SHADES = 10;

/**
 * A picture of which scale each step draws: a row for each scale, steps from left to right; where several steps share a
 * column, the darker the more of them. It follows the reader's light or dark theme.
 *
 * @param steps - batches of one or several epochs; only their sizes are read
 * @param options.title - @default "Scale of each step"
 * @returns an SVG document
 * @throws RangeError when there are no steps
 */
export function epochSvg(steps: Iterable<DrawnStep>, options: { title?: string } = {}): string {
  const { title = "Scale of each step" } = options;
  const { rows, columns, epochs, steps: count } = gridOf([...steps]);
  const plot = WIDTH - LEFT - RIGHT;
  const height = TOP + ROW * rows.length + 46;
  const bottom = TOP + ROW * rows.length;
  const x = (column: number) => LEFT + (plot * column) / columns;

  const cells = rows.map((row, i) => {
    const y = TOP + ROW * i;
    const shades = Array.from({ length: SHADES }, (_, shade) => {
      const path = row.shares.flatMap((share, column) => {
        if (share === 0 || Math.ceil(share * SHADES - 1e-9) - 1 !== shade) return [];
        return `M${round(x(column))} ${y + 3}h${round(plot / columns)}v${ROW - 6}h-${round(plot / columns)}z`;
      });
      return path.length > 0 ? `<path class="step" opacity="${opacityOf(shade)}" d="${path.join("")}"/>` : "";
    });
    const label = `<text x="${LEFT - 10}" y="${y + 15}" text-anchor="end">${escapeXml(row.name)}</text>`;
    const batch = `<text class="dim" x="${WIDTH - RIGHT + 10}" y="${y + 15}">${row.batchSize}</text>`;
    return `<path class="row" d="M${LEFT} ${y + ROW / 2}h${plot}"/>${label}${batch}${shades.join("")}`;
  });
  const borders = epochs.map(({ at, epoch }) => {
    const line = `<path class="epoch" d="M${round(x(at * columns))} ${TOP}V${bottom}"/>`;
    return `${line}<text class="dim" x="${round(x(at * columns))}" y="${bottom + 16}">epoch ${epoch}</text>`;
  });

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(title)}">
<title>${escapeXml(title)}</title>
<style>
svg { background: #fff; font: 12px system-ui, sans-serif; }
text { fill: #1a1c20; } .dim { fill: #646a73; } .title { font-size: 15px; font-weight: 600; }
.row { stroke: #e6e8eb; } .epoch { stroke: #b9bec6; stroke-dasharray: 2 3; } .step { fill: #1f5fd0; }
@media (prefers-color-scheme: dark) {
  svg { background: #15171b; } text { fill: #eceef1; } .dim { fill: #9aa1ab; }
  .row { stroke: #2a2e35; } .epoch { stroke: #555c66; } .step { fill: #7fb0ff; }
}
</style>
<text class="title" x="16" y="24">${escapeXml(title)}</text>
<text class="dim" x="${LEFT - 10}" y="${TOP - 10}" text-anchor="end">scale</text>
<text class="dim" x="${WIDTH - RIGHT + 10}" y="${TOP - 10}">batch</text>
<text class="dim" x="${WIDTH - RIGHT}" y="${bottom + 34}" text-anchor="end">${count} steps</text>
${[...cells, ...borders].join("\n")}
</svg>
`;
}

interface Row {
  name: string;
  cost: number;
  batchSize: number;
  /** For each column, the share of its steps that drew this scale. */
  shares: number[];
}

/** Of the plot's width, what the label of an epoch takes. */
const LABEL = 0.12;

function gridOf(steps: readonly DrawnStep[]) {
  if (steps.length === 0) throw new RangeError("epochSvg: got no steps. Pass the batches of an epoch.");
  const columns = steps.length > 2 * MAX_COLUMNS ? MAX_COLUMNS : steps.length;
  const rows = new Map<string, Row>();
  const inColumn = new Float64Array(columns);
  const columnOf = (step: number) => Math.floor((step * columns) / steps.length);
  for (const step of steps.keys()) inColumn[columnOf(step)] = (inColumn[columnOf(step)] as number) + 1;
  for (const [i, step] of steps.entries()) {
    const name = scaleName(step);
    const cost = "length" in step ? step.length : step.height * step.width;
    const row = rows.get(name) ?? { name, cost, batchSize: 0, shares: new Array<number>(columns).fill(0) };
    rows.set(name, row);
    row.batchSize = Math.max(row.batchSize, step.batchSize); // the last may be short
    const column = columnOf(i);
    row.shares[column] = (row.shares[column] as number) + 1 / (inColumn[column] as number);
  }
  const epochs: { epoch: number; at: number }[] = []; // those whose labels do not overlap
  for (const [i, { epoch }] of steps.entries()) {
    const last = epochs.at(-1);
    const at = i / steps.length;
    const hasRoom = !last || (at >= last.at + LABEL && at <= 1 - LABEL);
    if (steps[i - 1]?.epoch !== epoch && hasRoom) epochs.push({ epoch, at });
  }
  return {
    rows: [...rows.values()].sort((a, b) => b.cost - a.cost),
    columns,
    epochs,
    steps: steps.length,
  };
}

/** Of the shades from 0 to the last, which is all of a column. */
function opacityOf(shade: number): number {
  return round(0.1 + (0.9 * (shade + 1)) / SHADES);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
