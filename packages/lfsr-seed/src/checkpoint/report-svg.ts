import type { CompressReport } from "./report.ts";

const rowHeight = 16;
const barLeft = 320;
const barWidth = 300;

/**
 * The report as a picture: for each tensor a bar of its SNR in dB, a mark where its worst block lies, and in red the
 * share of its blocks at the floor of the exponent window.
 */
export function reportSvg(report: CompressReport): string {
  const { tensors } = report;
  const finite = tensors.map(({ stats }) => stats.snrDb).filter(Number.isFinite);
  const top = Math.ceil(Math.max(1, ...finite) / 5) * 5; // dB at the right end
  const x = (db: number) => barLeft + (barWidth * Math.min(Math.max(db, 0), top)) / top;
  const height = 44 + rowHeight * tensors.length;
  const ticks = Array.from({ length: top / 5 + 1 }, (_, i) => 5 * i);
  const parts = [
    ...ticks.map(
      (db) =>
        `<path d="M${x(db)} 30V${height - 10}" stroke="#ddd"/><text x="${x(db)}" y="24" text-anchor="middle">${db}</text>`,
    ),
    `<text x="${barLeft - 8}" y="24" text-anchor="end">signal to noise, dB</text>`,
  ];
  tensors.forEach(({ name, stats }, i) => {
    const y = 36 + rowHeight * i;
    const end = x(stats.snrDb);
    const floor = (end - barLeft) * stats.floorShare;
    const [worst] = stats.worstBlocks;
    parts.push(
      `<text x="${barLeft - 8}" y="${y + 9}" text-anchor="end">${escapeXml(shorten(name))}</text>`,
      `<rect x="${barLeft}" y="${y}" width="${end - barLeft}" height="11" fill="#4a7db5"/>`,
      `<rect x="${barLeft}" y="${y}" width="${floor}" height="11" fill="#c0392b"/>`,
      worst ? `<path d="M${x(worst.snrDb)} ${y - 1}v13" stroke="#222" stroke-width="2"/>` : "",
      `<text x="${Math.max(end, worst ? x(worst.snrDb) : 0) + 6}" y="${y + 9}">${stats.snrDb.toFixed(1)}</text>`,
    );
  });
  const label = `Signal to noise of ${tensors.length} tensors; black: the worst block; red: blocks at the exponent floor`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${barLeft + barWidth + 60} ${height}" ` +
    `font-family="system-ui, sans-serif" font-size="10" role="img"><title>${label}</title>` +
    `<rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`
  );
}

function shorten(name: string): string {
  return name.length > 52 ? `...${name.slice(-49)}` : name;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
