import type { LfsrConfig } from "../codec/config.ts";
import type { EncodeStats } from "../codec/encode-stats.ts";
import type { SourceDtype } from "../codec/lfsr-tensor.ts";

/** What became of one tensor. */
export interface TensorReport {
  readonly name: string;
  readonly shape: readonly number[];
  readonly sourceDtype: SourceDtype;
  readonly expBias: number;
  readonly bytesBefore: number;
  /** Seeds, coefficients, exponents and configuration. */
  readonly bytesAfter: number;
  readonly stats: EncodeStats;
  /** Whether it had an importance, by which `stats.weightedError` counts. */
  readonly isWeighted: boolean;
}

/** A tensor that was copied as it is. */
export interface KeptTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: number;
  readonly reason: string;
}

/** What became of a checkpoint. Plain data: `JSON.stringify` writes it. */
export interface CompressReport {
  readonly source: string;
  readonly out: string;
  readonly config: LfsrConfig;
  readonly tensors: readonly TensorReport[];
  readonly kept: readonly KeptTensor[];
  /** Of all tensors. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Of all compressed tensors together, in dB. */
  readonly snrDb: number;
  /** Of this run; what an earlier, interrupted one did is not counted. */
  readonly encodedWeights: number;
  readonly encodeMs: number;
  /** Files of the source that were not copied. */
  readonly skippedFiles: readonly string[];
}

/** Above this share of blocks at an end of the exponent window, the window is to blame. */
const edgeShare = 0.01;

/** Names of the tensors whose exponent window is too low or too high for more than one block in a hundred. */
export function tensorsAtTheEdge({ tensors }: CompressReport): string[] {
  return tensors
    .filter(({ stats }) => stats.floorShare > edgeShare || stats.ceilingShare > edgeShare)
    .map(({ name }) => name);
}

/** The report as a table for a terminal, one line per tensor. */
export function reportTable(report: CompressReport): string {
  const hasWeighted = report.tensors.some(({ isWeighted }) => isWeighted);
  const weightedHeader = hasWeighted ? ["weighted dB"] : [];
  const header = ["tensor", "shape", "bits", "SNR dB", ...weightedHeader, "worst block", "at floor", "zero"];
  const rows = report.tensors.map(({ name, shape, bytesAfter, stats, isWeighted }) => {
    const [worst] = stats.worstBlocks;
    const weighted = isWeighted ? stats.weightedSnrDb.toFixed(2) : "";
    return [
      name,
      shape.join("x"),
      ((8 * bytesAfter) / Math.max(1, stats.weights)).toFixed(2),
      stats.snrDb.toFixed(2),
      ...(hasWeighted ? [weighted] : []),
      worst ? `${worst.snrDb.toFixed(1)} dB at ${worst.block}` : "",
      `${(100 * stats.floorShare).toFixed(2)} %`,
      String(stats.zeroBlocks),
    ];
  });
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
  const { bytesBefore, bytesAfter, snrDb, kept } = report;
  const ratio = (bytesBefore / Math.max(1, bytesAfter)).toFixed(2);
  lines.push(
    "",
    `${report.tensors.length} tensors compressed at ${snrDb.toFixed(2)} dB, ${kept.length} copied; ` +
      `${megabytes(bytesBefore)} became ${megabytes(bytesAfter)}, ${ratio} times smaller.`,
  );
  const atEdge = tensorsAtTheEdge(report);
  if (atEdge.length > 0) {
    lines.push(
      `More than 1 % of the blocks of ${atEdge.length} tensors lie at an end of the exponent window: ${atEdge
        .slice(0, 3)
        .join(", ")}${atEdge.length > 3 ? ", ..." : ""}.`,
    );
  }
  return lines.map((line) => line.trimEnd()).join("\n");
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
