import { writeText } from "../run/write-text.ts";
import type { TextRun } from "../train-text-model.ts";

/**
 * Writes `report.html` into the folder of a run: one page that needs nothing else.
 *
 * @returns its path
 * @throws IoError when it cannot be written
 */
export async function writeReport(run: TextRun): Promise<string> {
  const { reportPage } = await import("./page.ts"); // brings a plotting library: only where a report is written
  await writeText(run.paths.report, reportPage(run));
  return run.paths.report;
}
