// Puts the results in out/bench into docs/performance.md, so that nobody copies numbers by hand.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BenchReport, formatComparison, formatRecord } from "./harness.ts";

const BLOCK = /(<!-- bench:([\w-]+) -->\n)[\s\S]*?(<!-- \/bench -->)/g;

/**
 * Replaces what stands between `<!-- bench:NAME -->` and `<!-- /bench -->` by the tables of `<results>/NAME.json`.
 *
 * @param only - the benches whose tables are replaced; empty for all of the page
 * @returns the names of the benches whose tables were replaced
 * @throws Error when the page has no place for one of `only`, or a bench has no results; the page stays as it is
 */
export async function documentBenches(
  page: string,
  results: string,
  only: readonly string[] = [],
): Promise<string[]> {
  const text = await readFile(page, "utf8");
  const places = Array.from(text.matchAll(BLOCK), ([, , name = ""]) => name);
  const homeless = only.find((name) => !places.includes(name));
  if (homeless !== undefined) {
    throw new Error(
      `documentBenches: ${page} has no place for "${homeless}", expected one of ${places.join(", ")}.`,
    );
  }
  const names = only.length > 0 ? [...only] : places;
  const reports = new Map<string, BenchReport>();
  for (const name of names) reports.set(name, await readReport(results, name));
  const shown = text.replace(BLOCK, (whole, start: string, name: string, end: string) => {
    const report = reports.get(name);
    return report ? `${start}${formatReport(report)}${end}` : whole;
  });
  await writeFile(page, shown);
  return names;
}

async function readReport(results: string, name: string): Promise<BenchReport> {
  const file = join(results, `${name}.json`);
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new Error(`documentBenches: ${file} cannot be read. Run it first: npm run bench -- ${name}`, {
      cause,
    });
  });
  return JSON.parse(text);
}

function formatReport({ name, date, machine, floor, comparisons, records, notes }: BenchReport): string {
  const { cpu, cores, platform, node } = machine;
  const speed = floor
    ? ` One thread of it: ${floor.fmaGflops.toFixed(1)} GFLOPS fused, ${floor.readGBps.toFixed(1)} GB/s.`
    : "";
  return [
    "",
    `\`npm run bench -- ${name}\` on ${date.slice(0, 10)}: ${cpu}, ${cores} cores, ${platform}, Node ${node}.${speed}`,
    "",
    "```text",
    comparisons.map(formatComparison).join("\n\n"),
    "",
    ...Object.entries(records).map(([record, value]) => formatRecord(record, value)),
    "```",
    ...notes.map((sentence) => `\n${sentence}`),
    "",
    "",
  ].join("\n");
}
