import { bytesText } from "../terminal/bytes-text.ts";
import { formatDuration } from "../terminal/duration.ts";
import type { TextRun } from "../train-text-model.ts";
import { bitsChart, layerChart, learningRateChart, lossChart, speedChart, windowChart } from "./charts.ts";
import { escapeHtml } from "./escape-html.ts";

/** The report of a run as one HTML document that needs nothing else: no script, no font, no network. */
export function reportPage({ settings, result }: TextRun): string {
  const { heldOut, sample, curve } = result;
  const ratio = Math.round(100 * (1 - heldOut.model / heldOut.gzip));
  const verdict = ratio >= 0 ? `${ratio} % fewer than gzip\u00A0-9` : `${-ratio} % more than gzip\u00A0-9`;
  const facts: [string, string][] = [
    ["bits per byte", `${heldOut.model.toFixed(3)}, ${verdict}`],
    ["model", `${(settings.parameters / 1e6).toFixed(2)} M parameters, ${settings.model.numLayers} layers`],
    ["trained", `${settings.training.steps} steps in ${formatDuration(1000 * result.seconds)}`],
    ["speed", `${Math.round(result.tokensPerSecond)} tokens/s`],
    ["saved", `${(100 * result.windows.saving).toFixed(1)} % of the FLOPs`],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>corenet: OpenELM trained on ${escapeHtml(settings.text.from)}</title>
<style>${css}</style>
</head>
<body>
<main>
<header>
<h1>A small OpenELM, trained here</h1>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`).join("")}</dl>
</header>
<section><h2>Held-out text</h2>${bitsChart(result)}</section>
<section><h2>Loss</h2>${lossChart(result)}</section>
<section><h2>Windows</h2>${windowChart(settings, result)}</section>
<section><h2>Sample</h2>
<p>The model went on from the first words, which are held-out text, at temperature 0.8.</p>
<pre><mark>${escapeHtml(sample.prompt)}</mark>${escapeHtml(sample.text)}</pre></section>
${compressedSection(result)}<section><h2>Model</h2>${layerChart(settings.model)}</section>
<section><h2>Learning rate</h2>${learningRateChart(curve)}</section>
<section><h2>Speed</h2>${speedChart(curve)}</section>
<section><h2>Settings</h2>${settingsTables(settings)}</section>
</main>
</body>
</html>
`;
}

/** What SeedLM made of the model, where it was asked to. */
function compressedSection({ compressed, fileBytes, heldOut }: TextRun["result"]): string {
  if (compressed.length === 0) return "";
  const rows: [string, number, number][] = [
    ["32 bits", fileBytes, heldOut.model],
    ...compressed.map((one): [string, number, number] => [
      `${one.bits} bits`,
      one.fileBytes,
      one.bitsPerByte,
    ]),
  ];
  const cells = rows.map(
    ([name, bytes, bits]) =>
      `<tr><th scope="row">${name}</th><td>${bytesText(bytes)}</td><td>${bits.toFixed(3)}</td></tr>`,
  );
  const small = compressed[0] as (typeof compressed)[number];
  return `<section><h2>Compressed</h2>
<p>The matrices of the blocks as seeds of a pseudo-random generator (SeedLM); embeddings stay as they are.</p>
<table><tr><th scope="col">a weight of the blocks</th><td>all weights</td><td>bits per byte</td></tr>${cells.join("")}</table>
<p>In ${small.bits} bits it goes on like this:</p>
<pre><mark>${escapeHtml(small.sample.prompt)}</mark>${escapeHtml(small.sample.text)}</pre></section>
`;
}

function settingsTables(settings: TextRun["settings"]): string {
  const { text, model, training, calibration, seed, parameters } = settings;
  const tables: [title: string, rows: object][] = [
    ["run", { seed, parameters, ...(calibration ?? {}) }],
    ["text", text],
    ["training", training],
    ["model", model],
  ];
  const row = ([name, value]: [string, unknown]) =>
    `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(formatValue(value))}</td></tr>`;
  const table = ([title, rows]: [string, object]) =>
    `<table><caption>${title}</caption>${Object.entries(rows).map(row).join("")}</table>`;
  return `<div class="settings">${tables.map(table).join("")}</div>`;
}

function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(formatValue).join(typeof value[0] === "number" ? " to " : "; ");
  if (typeof value === "object" && value !== null) {
    return Object.entries(value)
      .map(([name, one]) => `${name} ${formatValue(one)}`)
      .join(", ");
  }
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
}

const css = `
:root { --page: #fdfdfb; --text: #1d1f23; --dim: #646a73; --line: #dcdfe3; --panel: #f3f4f1;
  --ours: #0b6bcb; --theirs: #b45309; --third: #4d7c0f; --faint: #0b6bcb40; }
@media (prefers-color-scheme: dark) { :root { --page: #15171a; --text: #e6e8eb; --dim: #9aa1ab; --line: #33383f;
  --panel: #1f2226; --ours: #6cb2ff; --theirs: #f0a45d; --third: #a3c765; --faint: #6cb2ff4d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 728px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 20px; }
h2 { font-size: 1.1rem; margin: 40px 0 8px; }
p { margin: 0 0 8px; color: var(--dim); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 16px; margin: 0; }
dt { color: var(--dim); font-size: .85rem; }
dd { margin: 0; font-weight: 600; }
figure { margin: 0; }
figcaption { color: var(--dim); font-size: .85rem; margin-top: 4px; }
.plot { display: block; max-width: 100%; height: auto; overflow: visible; font: 12px system-ui, sans-serif;
  --plot-background: var(--page); }
.narrow { display: none; }
pre { background: var(--panel); padding: 16px; border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.5 ui-monospace, monospace; margin: 0; }
mark { background: none; color: var(--dim); }
.settings { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 24px; align-items: start; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
th, td { border-top: 1px solid var(--line); padding: 4px 0; text-align: left; vertical-align: top; }
th { font-weight: 400; color: var(--dim); padding-right: 12px; white-space: nowrap; }
td { overflow-wrap: anywhere; }
@media (max-width: 720px) { main { padding: 24px 16px 48px; } .wide { display: none; } .narrow { display: block; } }
`;
